"""gunicorn's own threaded worker, for those who will not run another: SERVER=gthread.

It reads requests and sends answers in the threads, so clients that are slow hold them (docs/gunicorn-options.md has all
that differs). What is added here is what the management process needs to know, and a drain that answers those who have
connected already.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn.workers.gthread import TConn, ThreadWorker

from nodrop.config.settings import ServingSettings
from nodrop.health.worker_state import WorkerReport
from nodrop.http.response import Input
from nodrop.server.addresses import as_ipv4
from nodrop.server.replacement import Replaceable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Worker(Replaceable, ThreadWorker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's ThreadWorker, which tells what it does."""

    settings: ServingSettings
    """Set by the hook post_fork, as is `report`."""
    report: WorkerReport
    alive: bool

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._numbers = itertools.count()
        self._thread = threading.local()
        self._submitted = self._begun = 0
        self._counting = threading.Lock()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Nothing: MAX_CONNECTIONS is always above WEB_THREADS."""

    # --- The loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until told to stop, then finish what is in flight."""
        self.wsgi = _Watched(self.wsgi, self.report, self._number)
        self.report.set_load(0, 0)
        self.report.set_ready(True)
        super().run()
        self.report.set_ready(False)

    def notify(self) -> None:
        """Tell the master and the management process that the loop goes round; gunicorn's loop calls it."""
        super().notify()
        self.report.set_load(max(0, self._submitted - self._begun), self.nr_conns)
        if self.alive and self.is_replaced():
            self.alive = False
            self.report.set_ready(False)

    def accept(self, listener: Any) -> bool:
        """Accept a connection, if there is one; whether there was."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        self.nr_conns += 1
        sock.setblocking(True)
        self.enqueue_req(TConn(self.cfg, sock, *as_ipv4(address, listener.getsockname())))
        return True

    def enqueue_req(self, conn: Any) -> None:
        """Hand the connection to a thread."""
        self._submitted += 1
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """A thread takes the connection."""
        with self._counting:
            self._begun += 1
        return super().handle(conn)

    def _number(self) -> int:
        """The number of this thread, from 0."""
        if not hasattr(self._thread, "number"):
            self._thread.number = next(self._numbers)
        return self._thread.number  # type: ignore[no-any-return]

    # --- Stopping ----------------------------------------------------------------------------------------------------

    def set_accept_enabled(self, enabled: bool) -> None:
        """gunicorn's; but when it stops, whoever has connected already is served, and nobody else can connect."""
        if not enabled and not self.alive:
            for listener in self.sockets:
                while self.accept(listener):
                    pass
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: finish what is in flight and stop."""
        if not self.booted:
            raise SystemExit  # The application is still being loaded; nothing is in flight.
        super().handle_exit(sig, frame)
        self.report.set_ready(False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """SIGQUIT: stop at once, whatever is in flight."""
        os._exit(0)

    def init_signals(self) -> None:
        """gunicorn's, but for Ctrl-C: it reaches the workers too, and what becomes of them is the master's decision."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Watched:
    """The application, with the start, the progress and the end of each request reported."""

    def __init__(self, application: WSGIApplication, report: WorkerReport, number: Callable[[], int]) -> None:
        """number: of the thread that calls it."""
        self._application = application
        self._report = report
        self._number = number

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        number = self._number()
        self._report.request_started(number)
        environ["wsgi.input"] = Input(environ["wsgi.input"], lambda: self._report.request_progressed(number))
        try:
            body = self._application(environ, start_response)
        except BaseException:
            self._report.request_finished(number)
            raise
        if isinstance(body, environ["wsgi.file_wrapper"]):
            # The kernel sends it, and nobody sees how far that is; gunicorn knows the file by its very type.
            self._report.request_exempt(number)
            _call_when_closed(body, lambda: self._report.request_finished(number))
            return body  # type: ignore[no-any-return]
        return _Body(body, self._report, number)


def _call_when_closed(body: Any, call: Callable[[], None]) -> None:
    close = getattr(body, "close", None)

    def close_and_call() -> None:
        try:
            if close:
                close()
        finally:
            call()

    body.close = close_and_call


class _Body:
    """An answer's body, each piece of which is progress."""

    def __init__(self, body: Iterable[bytes], report: WorkerReport, number: int) -> None:
        self._body = body
        self._report = report
        self._number = number

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._report.request_progressed(self._number)
            yield piece

    def close(self) -> None:
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._report.request_finished(self._number)
