"""The server as a real process, as `make run` and the image start it."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from nodrop.logs.lines import FLUSH_SECONDS
from nodrop.management.scrapes import KEEP_SECONDS
from nodrop.system.processes import is_locked

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "python:nodrop.gunicorn"
START_SECONDS = 20.0
LOWEST_PORT, PORT_RANGES, PORTS_EACH = 10_000, 16, 1_400
# Not from the same one in each run: another run may be going on beside this one, or have ended just now.
_ports = itertools.count(random.randrange(PORTS_EACH))
COVERAGE = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage measures the processes that a measured one starts."""
WARNING = re.compile(rf"{re.escape(str(ROOT))}/(?:app|nodrop)/\S+:\d+: \w*Warning: .*")
"""A warning of this project's code, by the logger py.warnings in either format, or of before there are loggers."""


def free_port() -> int:
    """A port that nothing listens on now, and that nobody else is given until many others have been.

    Below those that the kernel gives to clients, and from a range that is this test process's own: between the moment
    it is chosen and the moment a server binds it, another could take it.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PORT_RANGES
    first = LOWEST_PORT + number * PORTS_EACH
    for _ in range(PORTS_EACH):
        port = first + next(_ports) % PORTS_EACH
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("0.0.0.0", port))
            return port
    raise AssertionError(f"all ports from {first} to {first + PORTS_EACH - 1} are in use")


def tcp_table() -> list[list[str]]:
    """The kernel's tables of TCP sockets, those of IPv4 and those of IPv6 or both families: the fields of each line."""
    tables = [path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]
    return [line.split() for table in tables for line in table.read_text().splitlines()[1:]]


def until(what: str, condition: Callable[[], bool], timeout: float = START_SECONDS) -> None:
    """Wait for `condition`; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def hold(pid: int) -> None:
    """Stop the process, and return when each of its threads stands still. One that is woken meanwhile goes on a little
    further, since the kernel stops them one after the other."""
    os.kill(pid, signal.SIGSTOP)

    def state(thread: Path) -> str:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]

    until("every thread is stopped", lambda: {state(each) for each in Path(f"/proc/{pid}/task").iterdir()} == {"T"})


def warm_up(server: Server, path: str = "/") -> None:
    """Have every thread started that comes with the first requests, such as the one that writes the access lines."""
    for _ in range(10):
        assert server.get(path).status == 200


def is_held(folder: Path) -> bool:
    """Whether a living process holds the lock of a server's folder. True if that can't be known."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return is_locked("lock", descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request(
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes | Iterable[bytes] | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 30,
) -> Answer:
    """One request on a connection of its own. A body given in parts is sent chunked."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@dataclass
class Server:
    """A running server. `process` is gunicorn's master."""

    process: subprocess.Popen[str]
    port: int
    management_port: int
    log_file: Path
    _scraped: float = -math.inf

    def get(self, path: str, **options: Any) -> Answer:
        """A request to the application."""
        return request(self.port, path, **options)

    def manage(self, path: str, **options: Any) -> Answer:
        """A request to the management port."""
        return request(self.management_port, path, **options)

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        try:
            return self.manage("/readyz").status == 200
        except OSError:
            return False

    def log(self) -> list[dict[str, Any]]:
        """What was logged so far. Every line must be one JSON object."""
        if self.process.poll() is None:
            # Access lines that come fast are written a little later, and later still on a busy machine.
            time.sleep(10 * FLUSH_SECONDS)
        return self._written()

    def _written(self) -> list[dict[str, Any]]:
        text = self.log_file.read_text()
        if self.process.poll() is None:
            # Of a line that is being written a reader may see a part: up to the end of a page.
            text = text[: text.rfind("\n") + 1]
        entries = [json.loads(line) for line in text.splitlines()]
        assert all(isinstance(entry, dict) for entry in entries)
        return entries

    def workers(self) -> list[int]:
        """The process ids of the workers, as the log tells them."""
        booted = [entry["message"] for entry in self._written() if entry["message"].startswith("Booting worker")]
        return [int(message.rpartition(" ")[2]) for message in booted]

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics, by name and labels as they are written.

        As they are now: a scrape is kept for a second, so the next one waits until that is over.
        """
        time.sleep(max(0.0, self._scraped + KEEP_SECONDS - time.monotonic()))
        lines = self.manage("/metrics").body.decode().splitlines()
        self._scraped = time.monotonic()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


def command(python: str = sys.executable) -> list[str]:
    """How the server is started, with the packages of this Python."""
    return [python, "-m", "gunicorn", "--config", CONFIG]


def environment(**variables: str) -> dict[str, str]:
    """The environment of a server, or of a make: this process's, without what other tests, a shell, or the make that
    has started the tests may have set."""
    own = ("PORT", "NODROP_RUNTIME", "ARGS")
    kept = {name: v for name, v in os.environ.items() if name not in own and not name.startswith(("MAKE", "MFLAGS"))}
    # gunicorn leaves its sockets and its child to the end of the process. What leaks meanwhile, test_fuzz.py sees.
    heard = "default,ignore::ResourceWarning"
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": heard, **variables}


def measured() -> dict[str, str]:
    """What a process needs in its environment for its coverage to be measured, if that of the tests is."""
    return {name: os.environ[name] for name in [COVERAGE] if name in os.environ}


@contextmanager
def at_full_speed() -> Iterator[None]:
    """Servers that are started in the block have no coverage measured, which would make them several times slower."""
    kept = measured()
    os.environ.pop(COVERAGE, None)
    try:
        yield
    finally:
        os.environ.update(kept)


@contextmanager
def starting(tmp_path: Path, *, python: str = sys.executable, **variables: str) -> Iterator[Server]:
    """Start a server with these environment variables, and stop it afterwards."""
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    variables = {**ports, **variables}
    port, management_port = int(variables["PORT"]), int(variables["MANAGEMENT_PORT"])
    log_file = tmp_path / f"server-{port}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command(python),
            cwd=tmp_path,
            env=environment(**variables),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield Server(process, port, management_port, log_file)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    # As in the tests' own process, a warning is an error; those of the applications that are served are theirs. Only
    # now, since stopping may warn too.
    warned = WARNING.findall(log_file.read_text(errors="replace"))
    assert not warned, "\n".join(warned)


@contextmanager
def serving(tmp_path: Path, *, python: str = sys.executable, **variables: str) -> Iterator[Server]:
    """Start a server with these environment variables, wait until it is ready, and stop it afterwards."""
    with starting(tmp_path, python=python, **variables) as server:
        until("the server is ready", lambda: server.is_ready() or server.process.poll() is not None)
        assert server.process.poll() is None, server.log_file.read_text()
        yield server


def own_application(folder: Path, source: str) -> dict[str, str]:
    """The variables of an application whose module, in `folder`, has this source, and the name `app` in it."""
    (folder / "own.py").write_text(source)
    return {"WSGI_APP": "own:app", "PYTHONPATH": f"{ROOT}:{folder}"}


def slow_application(folder: Path, seconds: float) -> dict[str, str]:
    """The variables of an application that takes `seconds` to load."""
    (folder / "slow.py").write_text(f"import time, flask\ntime.sleep({seconds})\napp = flask.Flask(__name__)\n")
    return {"WSGI_APP": "slow:app", "PYTHONPATH": f"{ROOT}:{folder}"}
