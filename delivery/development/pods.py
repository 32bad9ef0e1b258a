"""The pods of a release as they come and go."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from delivery.development.cluster import Release

AGAIN_SECONDS = 1.0
"""How long to wait before asking again where the API server ended the watch, as it does every few minutes."""


class PodWatch:
    """Tells of each change of a pod of a release, in a thread, until it is closed."""

    def __init__(self, release: Release, tell: Callable[[dict[str, Any], bool], None]) -> None:
        """tell: called with a pod, and whether it is gone. Those that are there already come first."""
        self._release, self._tell = release, tell
        self._is_closed = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        command = self._release.kubectl(
            "get", "pods", "--selector", self._release.selector, "--watch", "--output-watch-events", "--output", "json"
        )
        while not self._is_closed.wait(AGAIN_SECONDS if self._process else 0):
            # Not in the terminal's group, so that Ctrl-C leaves it to close().
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
            ) as self._process:
                if self._is_closed.is_set():
                    self._process.kill()
                assert self._process.stdout
                for line in self._process.stdout:
                    event = json.loads(line)
                    self._tell(event["object"], event["type"] == "DELETED")

    def close(self) -> None:
        """Tell no more."""
        self._is_closed.set()
        if self._process:
            self._process.kill()
        self._thread.join()


def running(pod: dict[str, Any], container: str) -> str:
    """The id of the container of this name, an init container too, that runs in a pod; empty if it does not."""
    status = _status(pod, container)
    return str(status["containerID"]) if "running" in status.get("state", {}) else ""


def started_at(pod: dict[str, Any], container: str) -> datetime:
    """When the container of this name, which runs, was started; in whole seconds."""
    return datetime.fromisoformat(_status(pod, container)["state"]["running"]["startedAt"])


def _status(pod: dict[str, Any], container: str) -> dict[str, Any]:
    status = pod["status"]
    for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        if each["name"] == container:
            found: dict[str, Any] = each
            return found
    return {}


def is_crashing(pod: dict[str, Any]) -> bool:
    """Whether a container of the pod has ended, and is left to wait before it is started again."""
    statuses = pod["status"].get("containerStatuses", [])
    return any((each["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff" for each in statuses)
