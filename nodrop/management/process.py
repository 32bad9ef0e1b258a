"""Health and metrics, on a port of their own and from a process of their own.

The kubelet must hear the truth while every thread of every worker is stuck, so nothing here needs a worker:
the process reads what the workers left in files. It has its own port so that the Service, which leads to the
application's port only, exposes neither health nor metrics.

nodrop/gunicorn.py starts it as a child of gunicorn's master: `python -m nodrop.management.process FOLDER PORT`. It
serves from a child of its own, which it replaces should that ever die, and ends when the master does.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from nodrop.config.settings import ServingSettings
from nodrop.health.probes import Answer, Health
from nodrop.health.worker_state import WorkerState
from nodrop.logs import output as logs
from nodrop.metrics.exposition import Exposition
from nodrop.server.addresses import listening

PARENT_CHECK_SECONDS = 0.5
SLOW_CLIENT_SECONDS = 5
_log = logging.getLogger("nodrop.management.process")
PLAIN_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def checks(health: Health) -> dict[str, Callable[[], Answer]]:
    """The health checks by path."""
    return {"/livez": health.liveness, "/readyz": health.readiness, "/startupz": health.startup}


class ManagementServer(ThreadingHTTPServer):
    """Answers /livez, /readyz, /startupz and /metrics."""

    daemon_threads = True
    # Probes of several kubelet retries and scrapes may arrive at once; the default of 5 would drop some.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *, health: Health, exposition: Exposition) -> None:
        super().__init__(address, ManagementHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening(*address, backlog=self.request_queue_size)
        self.checks = checks(health)
        self.exposition = exposition

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A client that went away is not worth a traceback; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            _log.exception("Error handling a request from %s", client_address)


class ManagementHandler(BaseHTTPRequestHandler):
    """One request to the management port."""

    server: ManagementServer
    protocol_version = "HTTP/1.1"
    timeout = SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        checks = self.server.checks
        try:
            target = urlsplit(self.path)
        except ValueError:
            self._answer(HTTPStatus.BAD_REQUEST, b"this is no URL\n")
            return
        path = target.path
        if path == "/metrics":
            accept, accept_encoding = self.headers.get("Accept", ""), self.headers.get("Accept-Encoding", "")
            headers, body = self.server.exposition.answer(target.query, accept, accept_encoding)
            self._answer(HTTPStatus.OK, body, headers)
        elif path in checks:
            status, text = checks[path]()
            self._answer(status, f"{text}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, f"try {', '.join(checks)} or /metrics\n".encode())

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str] = PLAIN_TEXT) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
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
    # Ctrl-C is the master's business: health must be answered until the last worker has finished. Then comes SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    master = os.getppid()
    while os.getppid() == master:
        # What arrives in the middle of forking would be swallowed by what runs in the child first, with a traceback.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        server = os.fork()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if server == 0:
            _serve(folder, port, master)
        _wait_for(server, master)


def _serve(folder: Path, port: int, master: int) -> NoReturn:
    """Serve until the process that forked this one ends."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    settings = ServingSettings.from_environment()
    health = Health(folder, settings)
    health.watch_start()
    address = settings.bind_address
    exposition = Exposition(folder, WorkerState(folder / "workers"), address=address, port=settings.port, master=master)
    exposition.start_merging()
    ManagementServer((address, port), health=health, exposition=exposition).serve_forever()
    raise SystemExit


def _wait_for(server: int, master: int) -> None:
    """Wait until `server` has died, and say so; end this process, and so `server`, once `master` is gone."""
    while os.getppid() == master:
        pid, status = os.waitpid(server, os.WNOHANG)
        if pid:
            exit_code = {"exit_code": os.waitstatus_to_exitcode(status)}
            _log.error("health server died, starting another", extra=exit_code)
            time.sleep(PARENT_CHECK_SECONDS)
            return
        time.sleep(PARENT_CHECK_SECONDS)


if __name__ == "__main__":
    # A probe must not wait for whoever reads the log.
    logs.configure(patience=0)
    main(Path(sys.argv[1]), int(sys.argv[2]))
