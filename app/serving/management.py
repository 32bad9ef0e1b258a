"""Health and metrics, on a port of their own and from a process of their own.

The kubelet must hear the truth while every thread of every worker is stuck, so nothing here needs a worker:
the process reads what the workers left in files. It has its own port so that the Service, which leads to the
application's port only, exposes neither health nor metrics.

gunicorn.conf.py starts it as a child of gunicorn's master: `python -m app.serving.management FOLDER PORT`. It serves
from a child of its own, which it replaces should that ever die, and ends when the master does.
"""

import json
import os
import signal
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from app.serving.health import Answer, Health
from app.serving.settings import ServingSettings

PARENT_CHECK_SECONDS = 0.5
SLOW_CLIENT_SECONDS = 5


def checks(health: Health) -> dict[str, Callable[[], Answer]]:
    """The health checks by path."""
    return {"/livez": health.liveness, "/readyz": health.readiness, "/startupz": health.startup}


class ManagementServer(ThreadingHTTPServer):
    """Answers /livez, /readyz, /startupz and /metrics."""

    daemon_threads = True
    # Probes of several kubelet retries and scrapes may arrive at once; the default of 5 would drop some.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *, health: Health, metrics_folder: Path) -> None:
        super().__init__(address, ManagementHandler)
        self.checks = checks(health)
        self.registry = CollectorRegistry()
        MultiProcessCollector(self.registry, path=str(metrics_folder))  # type: ignore[no-untyped-call]

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the address's name, which waits for a DNS that is slow or gone."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not worth a traceback; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class ManagementHandler(BaseHTTPRequestHandler):
    """One request to the management port."""

    server: ManagementServer
    protocol_version = "HTTP/1.1"
    timeout = SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        checks = self.server.checks
        path = urlsplit(self.path).path
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, encode(self.server.registry), content_type)
        elif path in checks:
            status, text = checks[path]()
            self._answer(status, f"{text}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, f"try {', '.join(checks)} or /metrics\n".encode())

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """The Server header: no versions."""
        return "management"

    def log_message(self, format: str, *args: object) -> None:
        """Silent: probes and scrapes come every few seconds and would drown the application's own log."""


def _end_with(parent: int) -> None:
    """End this process once `parent` is gone. Polled, since no signal for it exists on every system."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def main(folder: Path, port: int) -> None:
    """Serve until the parent process ends."""
    # A stop is the master's business (Ctrl-C reaches the whole process group): health must be answered
    # until the last worker has finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    master = os.getppid()
    while os.getppid() == master:
        server = os.fork()
        if server == 0:
            _serve(folder, port)
        _wait_for(server, master)


def _serve(folder: Path, port: int) -> NoReturn:
    """Serve until the process that forked this one ends."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    health = Health(folder, ServingSettings.from_environment())
    health.watch_start()
    ManagementServer(("0.0.0.0", port), health=health, metrics_folder=folder / "metrics").serve_forever()
    raise SystemExit


def _wait_for(server: int, master: int) -> None:
    """Wait until `server` has died, and say so; end this process, and so `server`, once `master` is gone."""
    while os.getppid() == master:
        pid, status = os.waitpid(server, os.WNOHANG)
        if pid:
            entry = {"level": "error", "logger": __name__, "message": "health server died, starting another"}
            print(json.dumps({**entry, "exit_code": os.waitstatus_to_exitcode(status)}), flush=True)
            time.sleep(PARENT_CHECK_SECONDS)
            return
        time.sleep(PARENT_CHECK_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
