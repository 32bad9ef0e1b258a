"""The connection to the agent in a pod: one `kubectl exec` for as long as the pod lives."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.development.cluster import Release
from delivery.development.live.files import Files
from delivery.development.live.values import MARKER, MOUNTED, VOLUME, WORKER

AGENT = (Path(__file__).parent / "agent.py").read_bytes()
BOOTSTRAP = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), 'agent.py', 'exec'))"
ANSWER_SECONDS = 60.0
"""How long a pod may take for one change: a server that begins gets half of it to serve."""


class LinkLost(Exception):
    """The connection has ended; str() is what was said last."""


@dataclass(frozen=True)
class Outcome:
    """What a pod made of a change."""

    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    reloaded: str = ""
    """What loads the new code: `server`, `worker`; empty where nothing ran yet."""
    error: str = ""


class Link:
    """A pod's files. Not for two threads at once."""

    def __init__(self, release: Release, pod: str) -> None:
        """Begin to connect."""
        agent = ("python", "-c", BOOTSTRAP, MOUNTED, MARKER, WORKER)
        self._process = subprocess.Popen(
            release.kubectl("exec", "--stdin", pod, "--container", VOLUME, "--", *agent),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._has: dict[str, str] = {}

    def connect(self) -> None:
        """Learn what the pod has, once its sidecar has copied the image's files. Raises LinkLost."""
        self._has = self._ask(b"%d\n" % len(AGENT) + AGENT)["files"]

    def bring_to(self, now: Mapping[str, str], gone: Collection[str], files: Files) -> Outcome:
        """Give the pod what it lacks of the files `now`, and take from it those of `gone`. Raises LinkLost."""
        changed = [name for name, digest in now.items() if self._has.get(name) != digest]
        deleted = [name for name in gone if name in self._has]
        archive = files.archive(changed)
        order = {"size": len(archive), "deleted": deleted, "reload": bool(changed or deleted)}
        answer = self._ask(json.dumps(order).encode() + b"\n" + archive)
        self._has.update((name, now[name]) for name in changed)
        for name in deleted:
            del self._has[name]
        return Outcome(tuple(changed), tuple(deleted), answer.get("reloaded", ""), answer.get("error", ""))

    def _ask(self, said: bytes) -> Any:
        """Send bytes and read a line."""
        assert self._process.stdin
        assert self._process.stdout
        # kubectl itself waits for ever for a node that has gone.
        timer = threading.Timer(ANSWER_SECONDS, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(said)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if not line:
            self.end()
            raise LinkLost(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        assert self._process.stderr
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the connection was closed"

    def end(self) -> None:
        """End the connection, whatever another thread does with it."""
        self._process.kill()

    def close(self) -> None:
        """Give back what it has taken, when no thread uses it any more."""
        self.end()
        # What was not sent can't be: closing what leads there says so.
        with contextlib.suppress(OSError), self._process:
            pass
