"""gunicorn's own threaded worker, for those who will not run another: SERVER=gthread.

It reads requests and sends answers in the threads, so clients that are slow hold them (docs/gunicorn-options.md has all
that differs). What is added here is what the management process needs to know, and a drain that answers those who have
connected already.
"""

from __future__ import annotations

import itertools
import os
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from nodrop.health.worker_state import WorkerReport
from nodrop.server.worker_process import WorkerProcess
from nodrop.system import children
from nodrop.system.addresses import as_ipv4
from nodrop.wsgi.input import Input

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Worker(WorkerProcess, ThreadWorker):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's ThreadWorker, which tells what it does."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._numbers = itertools.count()
        self._thread = threading.local()
        self._submitted = self._begun = 0
        self._begun_before = 0
        self._waiting_since = 0.0
        self._counting = threading.Lock()
        self._loop_descriptors: set[int] = set()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Nothing: MAX_CONNECTIONS is always above WEB_THREADS."""

    # --- The loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests in flight."""
        if children.is_child:
            children.leave("the start of the worker")
        # Only now, since a readiness check may set handlers too.
        self.signals.stand()
        # Signals write to this pipe, which wakes the loop.
        self.poller.register(self.PIPE[0], selectors.EVENT_READ, self._on_signal)
        self._loop_descriptors = {self.poller.fileno(), self.method_queue.fileno()}
        self.wsgi = _Watched(self.wsgi, self.report, self._number)
        self.report.set_load(0, 0)
        self.report.set_ready(self.alive)
        super().run()
        self.report.set_ready(False)
        # Closed by now.
        self._loop_descriptors = set()
        self.signals.hand_over()

    def _on_signal(self, pipe: int) -> None:
        self.signals.pass_on(os.read(pipe, 4096))

    def own_descriptors(self) -> set[int]:
        """The loop's too."""
        return super().own_descriptors() | self._loop_descriptors

    def notify(self) -> None:
        """Tell the master and the management process that the loop goes round; gunicorn's loop calls it."""
        super().notify()
        waiting = max(0, self._submitted - self._begun)
        since = self._since(waiting)
        self.report.set_load(waiting, self.nr_conns, since, since)
        self.stop_if_replaced()

    def _since(self, waiting: int) -> float:
        """Since when no thread has taken any of the connections that wait, as of this turn; 0 if none waits."""
        begun, before = self._begun, self._begun_before
        self._begun_before = begun
        if not waiting or begun != before or not self._waiting_since:
            self._waiting_since = time.monotonic() if waiting else 0.0
        return self._waiting_since

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
        except BaseException as error:
            self._leave_if_forked(environ, error)
            self._report.request_finished(number)
            raise _as_exception(error) from error
        self._leave_if_forked(environ)
        if isinstance(body, environ["wsgi.file_wrapper"]):
            # The kernel sends it, and nobody sees how far that is; gunicorn knows the file by its very type.
            self._report.request_exempt(number)
            _call_when_closed(body, lambda: self._report.request_finished(number))
            return body  # type: ignore[no-any-return]
        return _Body(body, self._report, number)

    @staticmethod
    def _leave_if_forked(environ: WSGIEnvironment, error: BaseException | None = None) -> None:
        """End a child process that the application has forked, and that has come back from there."""
        if children.is_child:
            children.leave(f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')!r}", error)


def _as_exception(error: BaseException) -> Exception:
    """The error; one that ends a program, such as SystemExit, as another: gunicorn would end the worker with it, and
    after an exit with the status 3 the whole server."""
    return error if isinstance(error, Exception) else RuntimeError(f"the application raised {error!r} in a request")


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
        try:
            for piece in self._body:
                self._report.request_progressed(self._number)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            raise _as_exception(error) from error

    def close(self) -> None:
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._report.request_finished(self._number)
