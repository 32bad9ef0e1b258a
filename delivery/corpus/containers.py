"""A container of an application's image, as strict as the pod: no root, a read-only root file system, /tmp alone."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType

READY_SECONDS = 60
"""An application that starts alone does so in far less."""


class ContainerError(Exception):
    """The container did not do what it should; the message has its last lines."""


class Container:
    """A running container, which is removed at the end of the `with` block."""

    def __init__(self, image: str, environment: dict[str, str], command: list[str] | None = None) -> None:
        self._options = [argument for name, value in environment.items() for argument in ("--env", f"{name}={value}")]
        self._image, self._command = image, command or []
        self._id = ""
        self.address = ""
        """host:port of port 5000."""

    def __enter__(self) -> Container:
        self._id = _docker(
            "run", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt",
            "no-new-privileges", "--memory", "1g", "--publish", "127.0.0.1::5000", "--publish", "127.0.0.1::5001",
            *self._options, self._image, *self._command,
        )  # fmt: skip
        try:
            self.address = self._published("5000")
        except ContainerError as error:
            message = self._failure()
            self.__exit__(None, None, None)
            raise ContainerError(message) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _docker("rm", "--force", self._id)

    def until_ready(self) -> None:
        """Wait until the readiness probe succeeds. Raises ContainerError."""
        management = self._published("5001")
        self._until(lambda: _status(f"http://{management}/readyz") == 200)

    def until_answers(self) -> None:
        """Wait until something answers at port 5000, whatever it is. Raises ContainerError."""
        self._until(lambda: _status(f"http://{self.address}/") != 0)

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            if _docker("inspect", "--format", "{{.State.Running}}", self._id) != "true" or time.monotonic() > deadline:
                raise ContainerError(self._failure())
            time.sleep(0.2)

    def _published(self, port: str) -> str:
        try:
            return _docker("port", self._id, port).splitlines()[0]
        except (subprocess.CalledProcessError, IndexError) as error:
            raise ContainerError(self._failure()) from error

    def _failure(self) -> str:
        command = ["docker", "logs", "--tail", "15", self._id]
        logged = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"not ready: {(logged.stdout + logged.stderr).strip() or 'it said nothing'}"


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _status(url: str) -> int:
    """The status of the answer; 0 if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
