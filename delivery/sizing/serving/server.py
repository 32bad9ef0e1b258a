"""Starts an application under nodrop, with the settings that a pod has, and stops it again."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from delivery.sizing.figures import Start
from delivery.sizing.measuring.http_client import HOST
from delivery.sizing.measuring.processes import usage
from delivery.sizing.measuring.routes import Route
from delivery.sizing.serving import start_errors, url_map

POLL_SECONDS = 0.02
MANAGEMENT_SECONDS = 5.0
FAILING_SECONDS = 10.0
"""For how long the first request may be answered with an error."""
THREADS = 8
"""Of the server, whatever the application's settings say: so many requests can be seen to run at once."""
STOP_SECONDS = 40.0
"""Longer than GRACEFUL_TIMEOUT, after which the server ends by itself."""
HOOKS = "sizing_url_map"
"""The name under which the server imports url_map.py."""


@dataclass(frozen=True)
class Application:
    """What is started."""

    python: Path
    """The executable of the application's own virtual environment, which has nodrop too."""
    folder: Path
    """The working directory, as the repository is in the image."""
    environment: Mapping[str, str]
    """All of it, such as PATH, PYTHONPATH where the application's code is not in `folder`, and its settings."""
    reference: str
    """As WSGI_APP takes it."""


@dataclass(frozen=True)
class Place:
    """A folder for what the servers write: home, temporary files, logs, and bytecode if it is kept nowhere else."""

    folder: Path
    start_seconds: float
    """How long a start may take."""

    def made(self, name: str) -> Path:
        """A folder of this name in it."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass
class Server:
    """A server that is ready. process: gunicorn's master."""

    process: subprocess.Popen[bytes]
    port: int
    management_port: int
    log: Path
    start: Start = field(init=False)

    @property
    def pid(self) -> int:
        """Of the process from which all others of the server descend."""
        return self.process.pid

    def management(self, path: str) -> tuple[int, str]:
        """Status and text of an answer of the management port; 0 if it does not answer yet."""
        # Not urllib, which would send it to the proxy that the environment may name.
        connection = http.client.HTTPConnection(HOST, self.management_port, timeout=MANAGEMENT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()


@contextmanager
def serving(application: Application, place: Place, *, routes: Path | None = None) -> Iterator[Server]:
    """Start the application, and stop it after the block. routes: a file to which it writes its URL map.

    Raises Unmeasurable if it does not start.
    """
    port, management_port = _free_ports()
    log = place.folder / "server.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [application.python, "-m", "gunicorn", "--config", "python:nodrop.gunicorn"],
            cwd=application.folder,
            env=_environment(application, place, port, management_port, routes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, management_port, log)
    try:
        _wait(server, place.start_seconds)
        used = usage(process.pid)
        server.start = Start(time.perf_counter() - began, used.cpu if used else None, _first_request(log))
        yield server
    finally:
        _stop(process)


def told_routes(file: Path) -> list[Route]:
    """The routes that a server has written; none if it has not, as an application that is not Flask."""
    if not file.exists():
        return []
    return [Route(each["path"], each["endpoint"], tuple(each["methods"])) for each in json.loads(file.read_text())]


def _environment(
    application: Application, place: Place, port: int, management_port: int, routes: Path | None
) -> dict[str, str]:
    # A pod has no other folder to write to than /tmp, which is its home too.
    own = {
        "HOME": str(place.made("home")),
        "TMPDIR": str(place.made("home")),
        "PYTHONUNBUFFERED": "1",
        "WSGI_APP": application.reference,
        "BIND_ADDRESS": HOST,
        "PORT": str(port),
        "MANAGEMENT_PORT": str(management_port),
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": str(THREADS),
        # A new worker would have the memory and the caches of a new one.
        "MAX_REQUESTS": "0",
        # So that a slow first request is measured instead of being sent again.
        "STARTUP_TIMEOUT": str(min(3600, max(1, round(place.start_seconds)))),
    }
    # Bytecode is kept, as the image has it, but not in the repository.
    bytecode = application.environment.get("PYTHONPYCACHEPREFIX") or str(place.made("bytecode"))
    environment = {**application.environment, **own, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if routes and "HOOKS" not in environment:
        hooks = place.made("hooks")
        shutil.copyfile(Path(url_map.__file__), hooks / f"{HOOKS}.py")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH", ""), str(hooks)]))
        environment |= {"HOOKS": HOOKS, url_map.VARIABLE: str(routes)}
    return environment


def _free_ports() -> tuple[int, int]:
    """Two ports that nothing listens on."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, 0))
        second.bind((HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _wait(server: Server, limit: float) -> None:
    """Return when the server is ready. Raises Unmeasurable if it ends, or isn't ready in time.

    In a pod, the first request is sent again until it is answered, since a database may come later. Here nothing comes.
    """
    began = answered = time.perf_counter()
    status, text = 0, ""
    while status != 200:
        if (code := server.process.poll()) is not None:
            raise start_errors.ended(server.log.read_text(errors="replace"), code)
        now = time.perf_counter()
        answered = answered if start_errors.is_failing(text) else now
        if now - began > limit or now - answered > FAILING_SECONDS:
            raise start_errors.not_ready(server.log.read_text(errors="replace"), text, now - began)
        time.sleep(POLL_SECONDS)
        status, text = server.management("/readyz")


def _first_request(log: Path) -> float | None:
    """How long the startup probe's request took; None if there is no access log."""
    for line in log.read_text(errors="replace").splitlines():
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("user_agent") == "startup-probe" and "ms" in entry:
                return float(entry["ms"]) / 1000
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server, and all that it has started."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        # Of the session that it leads, and whatever the application has left running.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
