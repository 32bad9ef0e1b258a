"""`make logs`: what all pods of a release log, as it comes, each line with the pod that it is from.

In a terminal, lines of JSON are made readable; elsewhere they are left as they are, for whatever reads them.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from delivery.development.cluster import Release, component, main_container
from delivery.development.pods import PodWatch, running, started_at

LINES_BEFORE = 20
"""Of what each pod has logged so far."""
COLORS = (36, 33, 32, 35, 34, 31)
"""ANSI's, one for each pod."""
FIRST = ("time", "level", "message")
"""Keys of nodrop's log that come first."""
LEAST = ("logger", "pid", "thread", "trace_flags", "span_id")
"""Keys that are left out, since they are the same in each line or of no use to a reader."""
TEXTS = ("traceback", "stack")
"""Keys whose values have lines of their own."""
ACCESS = {"method", "url", "status"}
"""With these, the message tells it all: method, path, status and duration."""


def readable(line: str) -> str:
    """A line of JSON as a person reads it: time, level, message, and the rest as name=value. Any other as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "message" not in entry:
        return line
    clock = str(entry.get("time", ""))[11:19]
    shown = ["request_id"] if entry.keys() >= ACCESS else entry.keys() - {*FIRST, *LEAST, *TEXTS}
    rest = [f"{name}={_short(value)}" for name, value in entry.items() if name in shown]
    texts = [f"\n  {text}" for name in TEXTS for text in str(entry.get(name, "")).splitlines()]
    head = [clock, f"{entry.get('level', '')!s:8}", str(entry["message"]), *rest]
    return " ".join(head).rstrip() + "".join(texts)


def _short(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value)


class Logs:
    """Follows the pods of a release. say: called with each line, with its pod."""

    def __init__(self, release: Release, say: Callable[[str], None], *, for_terminal: bool) -> None:
        self._release, self._say, self._for_terminal = release, say, for_terminal
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._began = datetime.now(UTC)
        self._followed: set[str] = set()
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Print lines until KeyboardInterrupt. Raises DevelopmentError where the release is not installed."""
        self._release.revision()
        watch = PodWatch(self._release, self._pod)
        try:
            while True:
                self._say(self._lines.get())
        finally:
            watch.close()
            for process, thread in zip(self._processes, self._threads, strict=True):
                process.kill()
                thread.join()

    def _pod(self, pod: dict[str, Any], is_gone: bool) -> None:
        """In the thread that watches: follow a container that has begun."""
        container = main_container(pod)
        started = running(pod, container)
        if not is_gone and started and started not in self._followed:
            self._followed.add(started)
            tail = -1 if started_at(pod, container) >= self._began else LINES_BEFORE
            command = ["logs", "--follow", f"--tail={tail}", "--container", container]
            process = subprocess.Popen(
                self._release.kubectl(*command, pod["metadata"]["name"]),
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            self._processes.append(process)
            self._threads.append(threading.Thread(target=self._follow, args=(process, self._prefix(pod)), daemon=True))
            self._threads[-1].start()

    def _prefix(self, pod: dict[str, Any]) -> str:
        name = f"{component(pod)}-{pod['metadata']['name'].rpartition('-')[2]}"
        if not self._for_terminal:
            return f"[{name}] "
        return f"\x1b[{COLORS[zlib.crc32(name.encode()) % len(COLORS)]}m{name}\x1b[0m "

    def _follow(self, process: subprocess.Popen[str], prefix: str) -> None:
        with process:
            assert process.stdout
            for line in process.stdout:
                text = line.rstrip("\n")
                self._lines.put(prefix + (readable(text) if self._for_terminal else text))
