"""The servers that are compared: the same application, one worker, eight threads where a server has threads.

Each is configured for a proxy that keeps connections, with room for 1,200 of them, and does not log requests unless its
title says so. What is not named is the server's default.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import CLIENT_CORES, SERVER_CORES, pin

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / "build" / "venv" / "bench" / "bin" / "python"
"""The environment of the servers, which `make bench` makes of bench/requirements.txt."""
START_SECONDS = 20.0
READ_LOG = 'head --bytes 20000 >"$0"; exec cat >/dev/null'
BARE = "bench.application:create_app()"
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--worker-connections", "1200", "--keep-alive", "75",
            "--no-control-socket", "--http-parser", "python")  # fmt: skip
"""What `pip install gunicorn` brings: its parser in C is an extra."""


@dataclass(frozen=True)
class Server:
    """How one server is started.

    title: what people know it by. short: the same in a column's head. arguments: a program beside Python, and its
    arguments with {port}. variables: of its environment, with {port} and {management_port}.
    """

    title: str
    short: str
    arguments: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


_NODROP = Server(
    "nodrop, everything on", "nodrop",
    ("gunicorn", "--config", "python:nodrop.gunicorn"),
    {
        "WSGI_APP": BARE, "PORT": "{port}", "MANAGEMENT_PORT": "{management_port}", "BIND_ADDRESS": "127.0.0.1",
        "WEB_THREADS": "8", "MAX_CONNECTIONS": "1200", "LOG_FORMAT": "json",
    },
)  # fmt: skip
GTHREAD = (*GUNICORN, "--worker-class", "gthread", "--threads", "8")

SERVERS = {
    "sync": Server("gunicorn sync", "sync", (*GUNICORN, BARE)),
    "gthread": Server("gunicorn gthread", "gthread bare", (*GTHREAD, BARE)),
    "gthread-documented": Server(
        "gunicorn gthread, exporter and access log", "gthread as documented",
        (*GTHREAD, "--access-logfile", "-", "bench.application:exported()"),
    ),
    "gevent": Server("gunicorn gevent", "gevent", (*GUNICORN, "--worker-class", "gevent", BARE)),
    "waitress": Server(
        "waitress", "waitress",
        ("waitress-serve", "--listen", "127.0.0.1:{port}", "--threads", "8", "--connection-limit", "1200",
         # By default it waits with select(), and resets connections whose descriptors are above 1,023.
         "--asyncore-use-poll", "--call", "bench.application:create_app"),
    ),
    "uwsgi": Server(
        "uWSGI", "uWSGI",
        ("uwsgi", "--http", "127.0.0.1:{port}", "--http-keepalive=75", "--master", "--threads", "8", "--listen", "1200",
         "--disable-logging", "--die-on-term", "--need-app", "--module", BARE),
    ),
    "granian": Server(
        "granian", "granian bare",
        ("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--blocking-threads", "8",
         "--backlog", "1200", "--factory", "bench.application:create_app"),
    ),
    "flask-run": Server(
        "flask run, access log", "flask run", ("flask", "--app", "bench.application", "run", "--port", "{port}")
    ),
    "nodrop": _NODROP,
    "nodrop-quiet": Server(
        "nodrop, no access log", "nodrop without a log", _NODROP.arguments, {**_NODROP.variables, "ACCESS_LOG": "false"}
    ),
}  # fmt: skip


CONTROL = "nodrop-quiet"
"""Not part of the comparison unless it is named."""


@dataclass
class Running:
    """A server that answers at `port`. `process` is the first of its processes."""

    process: subprocess.Popen[bytes]
    port: int


def free_port() -> int:
    """A port that nothing listens on now, below those that the kernel gives to clients."""
    for port in range(20_000 + os.getpid() % 1_000 * 10, 32_000):
        with socket.socket() as listener, suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
    raise AssertionError("no port is free")


_given: set[int] = set()


@contextmanager
def running(server: Server, python: Path = PYTHON, cores: Collection[int] = SERVER_CORES) -> Iterator[Running]:
    """Run a server on these cores, its output to a pipe that is read, as in a pod.

    Raises AssertionError, with what it has written, if it does not answer within START_SECONDS.
    """
    ports = {"port": str(free_port()), "management_port": str(free_port())}
    program, *arguments = server.arguments
    command = [str(python.parent / program), *(each.format(**ports) for each in arguments)]
    own = {name: value.format(**ports) for name, value in server.variables.items()}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "", **own}
    # gunicorn and nodrop read settings from the environment; those of the caller are not part of the comparison.
    environment.pop("GUNICORN_CMD_ARGS", None)
    with tempfile.NamedTemporaryFile() as first_output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        pin(process, cores)
        # A process of its own reads the log: a thread would compete with the clients' code in this process.
        reader = subprocess.Popen(["sh", "-c", READ_LOG, first_output.name], stdin=process.stdout)
        pin(reader, CLIENT_CORES)
        assert process.stdout
        process.stdout.close()
        try:
            port = int(ports["port"])
            if not _answers(process, port):
                # The reader writes the file at the end of what it reads.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                reader.wait()
                said = Path(first_output.name).read_text(errors="replace")
                raise AssertionError(f"{server.title} did not start in {START_SECONDS:.0f} s: {said}")
            yield Running(process, port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the application answers in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if client.recv(4096).startswith(b"HTTP/1.1 200"):
                return True
        time.sleep(0.05)
    return False
