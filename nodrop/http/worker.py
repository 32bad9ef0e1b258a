"""The gunicorn worker: threads run the application, one loop does all the waiting for clients.

A request is handed to a thread when it is complete, its body included, and an answer that its client is slow to take is
left to the loop. So a slow client costs memory or disk space, and no thread, within limits. gunicorn's parser and
response classes do the HTTP; what its own threaded worker does with them can be stopped by forty slow clients
(docs/serving.md has the figures).
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import errno
import math
import os
import queue
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import FrameType
from typing import Any, NoReturn

from gunicorn.http.body import Body
from gunicorn.http.wsgi import create, default_environ
from gunicorn.workers import base

from nodrop.config.settings import ServingSettings
from nodrop.health.worker_state import WorkerReport
from nodrop.http.chunked import MAX_OVERHEAD
from nodrop.http.connection import ClientGone, Connection, Limits, Refusal, Stage, TakenOver
from nodrop.http.response import Input, Response, Spooled
from nodrop.http.spool import Budget, Spool
from nodrop.logs.access import path_of
from nodrop.metrics.server import server_metrics
from nodrop.wsgi import proxies
from nodrop.wsgi.problems import CONTENT_TYPE, problem_body
from nodrop.wsgi.request_context import RequestContextMiddleware

TICK_SECONDS = 1.0
"""How often deadlines are looked at."""
DRAIN_TICK_SECONDS = 0.1
KEEP_ALIVE_LINGER_SECONDS = 5.0
"""How long a stopping worker keeps idle connections, for requests that are on their way; it answers them with
`Connection: close`."""
END_SECONDS = 2.0
"""How long a client has to close a connection that was closed on this side."""
ACCEPT_BATCH = 64
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """Accepts connections, hands complete requests to threads, and sends what they leave."""

    settings: ServingSettings
    """Set by the hook post_fork, as is `report`."""
    report: WorkerReport
    alive: bool

    # --- Starting ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until told to stop, then finish what is in hand."""
        self._prepare()
        self.report.set_load(0, 0)
        self.report.set_ready(True)
        while self.alive:
            self._turn(TICK_SECONDS)
            if self.ppid != os.getppid():
                self.log.warning("the master is gone, stopping")
                self.alive = False
        self.report.set_ready(False)
        self._drain()

    def _prepare(self) -> None:
        settings = self.settings
        # As much for each, so that uploads can't take the room that answers need.
        # A body in chunks comes with its framing, which must not keep the largest one out.
        self._bodies = Budget(settings.body_buffer_bytes + MAX_OVERHEAD)
        self._answers = Budget(settings.body_buffer_bytes)
        self._limits = Limits(
            head=settings.max_header_bytes, body=settings.max_body_bytes, write_seconds=settings.write_timeout
        )
        self._poller = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._requests: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        # Since when each request in the queue has been there.
        self._handed_over: collections.deque[float] = collections.deque()
        # What threads ask of the loop. A byte in the pipe wakes it, and one is enough for any number of calls.
        self._calls: collections.deque[tuple[Any, ...]] = collections.deque()
        self._woken = False
        self._next_tick = 0.0
        self._accepting = False
        self._metrics = server_metrics()
        self._context = RequestContextMiddleware(proxies.behind(lambda *_: [], settings.trusted_proxies))
        self._in_hand: dict[int, tuple[dict[str, Any], float]] = {}
        self._stalled: set[int] = set()
        # gunicorn made this pipe for signals to write to; threads use it too.
        self._poller.register(self.PIPE[0], READ, self._on_wake)
        for listener in self.sockets:
            listener.setblocking(False)
        self._accept_more(True)
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"request-{number}", daemon=True)
            for number in range(self.report.threads)
        ]
        for thread in self._threads:
            thread.start()

    # --- The loop ----------------------------------------------------------------------------------------------------

    def _turn(self, seconds: float) -> None:
        """Wait for something to happen, for `seconds` at most, and do what it takes."""
        # Not `seconds` from each event on, or a busy loop would be late with what is due by time.
        for key, events in self._poller.select(max(0.0, min(seconds, self._next_tick - time.monotonic()))):
            key.data(key.fileobj, events)
        # Not those that come meanwhile: whoever waits in the poller has a turn first.
        for _ in range(len(self._calls)):
            self._for(*self._calls.popleft())
        if self._calls:
            self._wake()
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + seconds
            self.notify()
            self._look_at_deadlines(now)
            self._report_stalls(now)
        self.report.set_load(self._requests.qsize(), len(self._connections), self._waiting_since())

    def _waiting_since(self) -> float:
        """When the oldest request that no thread has taken began to wait; 0 if there is none."""
        try:
            return self._handed_over[0]
        except IndexError:
            return 0.0

    def _for(self, connection: Connection, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` for the connection. An error there must not end the worker for everyone."""
        if connection not in self._connections:
            return  # closed meanwhile
        try:
            function(connection, *arguments)
        except Exception:
            self.log.exception("Error on a connection")
            self._cut(connection)

    def _call(self, connection: Connection, function: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call `function` for the connection. For threads."""
        self._calls.append((connection, function, *arguments))
        self._wake()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            # A full pipe wakes the loop as well.
            with contextlib.suppress(BlockingIOError):
                os.write(self.PIPE[1], b"x")

    def _on_wake(self, pipe: int, events: int) -> None:  # noqa: ARG002
        with contextlib.suppress(BlockingIOError):
            os.read(pipe, 4096)
        # Before the calls are made: a thread that comes from now on wakes the loop again.
        self._woken = False

    def _look_at_deadlines(self, now: float) -> None:
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._for(connection, self._expire)
        if self.alive:
            self._accept_more(self._has_room())

    def _expire(self, connection: Connection) -> None:
        if connection.stage in (Stage.HEAD, Stage.BODY) and not connection.idle:
            detail = "the request did not arrive in time"
            self._refuse(connection, Refusal(HTTPStatus.REQUEST_TIMEOUT, detail, connection.request))
            return
        if connection.behind:
            self._metrics.closed("write_timeout")
            self._log_behind(connection, f"has taken nothing for WRITE_TIMEOUT={self.settings.write_timeout} seconds")
        self._cut(connection)

    def _cut(self, connection: Connection) -> None:
        """End the connection, whoever has it."""
        if connection.stage is Stage.APPLICATION:
            # The thread gets to know, and hands the connection back.
            self._watch(connection, 0)
            connection.abort()
            connection.deadline = math.inf
        else:
            self._close(connection)

    def _relieve(self, connection: Connection, size: int) -> None:  # noqa: ARG002 - what the loop is called for
        """Make room for `size` bytes of answers, unless there is some by now: cut off the client furthest behind."""
        behind = [each for each in self._connections if each.behind and not each.broken]
        if behind and self._answers.used + size > self._answers.limit:
            furthest = max(behind, key=lambda each: each.behind)
            self._metrics.closed("furthest_behind")
            self._log_behind(furthest, f"is furthest behind while BODY_BUFFER_BYTES={self._answers.limit} are in use")
            self._cut(furthest)

    def _log_behind(self, connection: Connection, why: str) -> None:
        self.log.warning("%s cut off, %d bytes behind: it %s", connection.client[0], connection.behind, why)

    # --- Accepting ---------------------------------------------------------------------------------------------------

    def _accept_more(self, more: bool) -> None:
        """Begin or stop to accept connections."""
        if more is self._accepting:
            return
        self._accepting = more
        for listener in self.sockets:
            if more:
                self._poller.register(listener, READ, self._on_connect)
            else:
                self._poller.unregister(listener)

    def _on_connect(self, listener: Any, events: int) -> None:  # noqa: ARG002
        # One at a time where several workers accept, or the first to wake would take them all.
        for _ in range(ACCEPT_BATCH if self.cfg.workers == 1 else 1):
            if not self._accept(listener):
                return
            if not self._has_room():
                self._accept_more(False)
                return

    def _accept(self, listener: Any) -> bool:
        """Accept a connection; whether there was one."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                # Tried again at the next tick; the connections wait in the kernel meanwhile.
                self.log.warning("can't accept a connection: %s", error)
                self._accept_more(False)
            # Else: nobody is there any more, or the client has given up before it was accepted.
            return error.errno == errno.ECONNABORTED
        # Before it is there itself, or it might be the one that goes.
        if len(self._connections) >= self.settings.max_connections:
            self._make_room()
        self._open(sock, address, listener.getsockname())
        return True

    def _waiting(self) -> list[Connection]:
        """The connections that wait for their client, and not for an answer."""
        return [each for each in self._connections if each.stage is not Stage.APPLICATION]

    def _has_room(self) -> bool:
        """Whether another connection can be accepted, if need be in place of one that waits for its client."""
        return len(self._connections) < self.settings.max_connections or bool(self._waiting())

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client: of those that are over, else idle, else any."""

        def price(each: Connection) -> tuple[bool, bool, float]:
            return each.stage is not Stage.END, not each.idle, each.since

        if waiting := self._waiting():
            oldest = min(waiting, key=price)
            if oldest.stage is not Stage.END:
                self._metrics.closed("made_room")
            self._close(oldest)

    def _open(self, sock: socket.socket, address: Any, server: Any) -> None:
        sock.setblocking(False)
        connection = Connection(
            sock, address, server, cfg=self.cfg, bodies=self._bodies, answers=self._answers, limits=self._limits
        )
        connection.call_loop = lambda: self._call(connection, self._watch_outgoing)
        connection.no_room = lambda size: self._call(connection, self._relieve, size)
        self._connections.add(connection)
        self._await_request(connection, self.settings.read_timeout)
        # Often the request is there already, which saves a turn of the loop.
        self._for(connection, self._on_readable)

    def _watch(self, connection: Connection, events: int) -> None:
        """Wait for these events. READ only in HEAD, BODY and END: what comes in other stages has to wait."""
        if events == connection.watched:
            return
        if not events:
            self._poller.unregister(connection.sock)
        else:
            watch = self._poller.modify if connection.watched else self._poller.register
            watch(connection.sock, events, lambda _, ready: self._for(connection, self._on_event, ready))
        connection.watched = events

    def _on_event(self, connection: Connection, events: int) -> None:
        if events & WRITE:
            self._on_writable(connection)
        if events & READ and connection.watched & READ:
            self._on_readable(connection)

    # --- Receiving ---------------------------------------------------------------------------------------------------

    def _await_request(self, connection: Connection, seconds: float) -> None:
        connection.stage = Stage.HEAD
        connection.since = time.monotonic()
        connection.deadline = connection.since + seconds

    def _on_readable(self, connection: Connection) -> None:
        data = connection.receive_some()
        if data is None or (data and connection.stage is Stage.END):
            # What still comes after the end is of no use any more.
            self._watch(connection, connection.watched | READ)
        elif not data:
            self._close(connection)
        else:
            self._receive(connection, data)

    def _receive(self, connection: Connection, data: bytes) -> None:
        was_idle, stage = connection.idle, connection.stage
        try:
            complete = connection.receive(data) if data else connection.advance()
        except Refusal as refusal:
            self._refuse(connection, refusal)
            return
        if complete:
            self._hand_over(connection)
            return
        now = time.monotonic()
        if was_idle or connection.stage is not stage or not data:
            connection.since = now
            connection.deadline = now + self.settings.read_timeout
        elif connection.stage is Stage.BODY:
            connection.since = now
            # A client that keeps sending, be it slowly, gets its time: a second for each KiB, but none in advance.
            connection.deadline = min(connection.deadline + len(data) / 1024, now + self.settings.read_timeout)
        if connection.wants_continue:
            connection.wants_continue = False
            connection.queue(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._on_writable(connection)
            return
        self._watch(connection, READ | (WRITE if connection.behind else 0))

    def _hand_over(self, connection: Connection) -> None:
        self._watch(connection, WRITE if connection.behind else 0)
        connection.stage = Stage.APPLICATION
        connection.deadline = math.inf
        connection.handed_over = time.monotonic()
        self._handed_over.append(connection.handed_over)
        self._requests.put(connection)

    # --- Sending -----------------------------------------------------------------------------------------------------

    def _await_client(self, connection: Connection) -> None:
        """The client has something to take: wait for it to do so."""
        connection.since = time.monotonic()
        connection.deadline = connection.since + self.settings.write_timeout
        reading = READ if connection.stage in (Stage.HEAD, Stage.BODY) else 0
        self._watch(connection, reading | WRITE)

    def _watch_outgoing(self, connection: Connection) -> None:
        """A thread has left something to be sent."""
        # "100 Continue" may have been watched for already, without a deadline since.
        if connection.behind and not (connection.watched & WRITE and connection.deadline < math.inf):
            self._await_client(connection)

    def _on_writable(self, connection: Connection) -> None:
        try:
            sent = connection.flush()
        except ClientGone:
            self._cut(connection)
            return
        if connection.behind:
            if sent or not connection.watched & WRITE:
                self._await_client(connection)
        elif connection.stage is Stage.CLIENT:
            self._answered(connection)
        elif connection.stage is Stage.APPLICATION:
            connection.deadline = math.inf
            self._watch(connection, 0)
        else:
            # "100 Continue" is out: the body is what is waited for again.
            connection.deadline = time.monotonic() + self.settings.read_timeout
            self._watch(connection, READ)

    def _finished(self, connection: Connection, keep: bool) -> None:
        """A thread is done with the request."""
        connection.keep = keep
        connection.stage = Stage.CLIENT
        if self.alive and not self._accepting:
            # It can make room for another now.
            self._accept_more(self._has_room())
        if connection.broken:
            self._close(connection)
        elif connection.behind:
            self._await_client(connection)
        elif connection.taken_over:
            self._close(connection)
        else:
            self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        """The client has the whole answer."""
        if not connection.keep:
            self._end(connection)
            return
        linger = self.settings.keep_alive if self.alive else min(KEEP_ALIVE_LINGER_SECONDS, self.settings.keep_alive)
        self._await_request(connection, linger)
        if connection.idle:
            self._watch(connection, READ)
        else:
            # The client has sent its next request, or a part of it, without waiting for the answer.
            self._receive(connection, b"")

    def _end(self, connection: Connection) -> None:
        """Close, but let the client take what is on its way first."""
        connection.stage = Stage.END
        connection.since = time.monotonic()
        connection.deadline = connection.since + END_SECONDS
        try:
            connection.half_close()
        except OSError:
            self._close(connection)
            return
        self._watch(connection, READ)

    def _close(self, connection: Connection) -> None:
        """Close the connection, which no thread has."""
        self._watch(connection, 0)
        self._connections.discard(connection)
        connection.close()
        if self.alive and not self._accepting:
            self._accept_more(self._has_room())

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Answer without asking the application, and close. Nothing of what else has come is looked at."""
        self._watch(connection, 0)
        connection.discard()
        environ = self._environ_of(connection, refusal.request)
        request_id = environ.get("nodrop.request_id", "")
        self.log.warning(
            "Invalid request from %s: %s", environ.get("REMOTE_ADDR", connection.client[0]), refusal.detail,
            extra={"fields": {"request_id": request_id}} if request_id else None,
        )  # fmt: skip
        self._metrics.refused(refusal.status)
        title = refusal.status.phrase
        body = problem_body(refusal.status, title, refusal.detail)
        shown = b"" if getattr(refusal.request, "method", None) == "HEAD" else body
        head = (
            f"HTTP/1.1 {refusal.status.value} {title}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n"
            + (f"X-Request-ID: {request_id}\r\n\r\n" if request_id else "\r\n")
        )
        connection.queue(head.encode("latin-1") + shown)
        connection.keep = False
        connection.stage = Stage.CLIENT
        connection.deadline = time.monotonic() + self.settings.write_timeout
        self._log_refusal(connection, refusal, environ, len(body))
        self._on_writable(connection)

    def _environ_of(self, connection: Connection, request: Any) -> dict[str, Any]:
        """The environment of a request that is refused, with the ids and the client that the application would have
        been told; empty without a request."""
        if request is None:
            return {}
        environ: dict[str, Any] = default_environ(request, connection.sock, self.cfg)
        environ |= {"REMOTE_ADDR": connection.client[0], "wsgi.url_scheme": "http"}
        for name, value in getattr(request, "headers", None) or ():
            key = f"HTTP_{name.replace('-', '_')}"
            # Joined as for the application, or what is malformed there could pass here.
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        self._context(environ, lambda *_: lambda _: None)
        return environ

    def _log_refusal(self, connection: Connection, refusal: Refusal, environ: dict[str, Any], size: int) -> None:
        """The access line of a request that was refused; without a request there is nothing to say in one."""
        if refusal.request is None:
            return
        response = Response(refusal.request, connection, self.cfg)
        response.status, response.sent = f"{refusal.status.value} {refusal.status.phrase}", size
        self.log.access(response, refusal.request, environ, datetime.timedelta())

    # --- Threads -----------------------------------------------------------------------------------------------------

    def _serve(self, number: int) -> None:
        """A thread: one request after the other."""
        while True:
            connection = self._requests.get()
            # One for each that was put, in the same order, whichever thread comes first.
            self._handed_over.popleft()
            self.report.request_started(number)
            connection.progressed = lambda: self.report.request_progressed(number)
            connection.exempt = lambda: self.report.request_exempt(number)
            keep, refusal = False, None
            try:
                keep = self._handle(connection, number)
            except Refusal as refused:
                refusal = refused
            except ClientGone as gone:
                self.log.debug("Connection closed: %s", gone)
                connection.abort()
            except BaseException:
                self.log.exception("Error handling request")
                connection.abort()
            finally:
                self._in_hand.pop(number, None)
                self.report.request_finished(number)
            if refusal:
                self._call(connection, self._refuse, refusal)
            else:
                self._call(connection, self._finished, keep)

    def _handle(self, connection: Connection, number: int) -> bool:
        """Have the application answer; whether the connection can be kept. Raises Refusal and ClientGone."""
        request = connection.request
        began = time.monotonic()
        queued = began - connection.handed_over
        self._metrics.queued(queued)
        decoded: Spool | None = None
        try:
            if connection.chunked:
                decoded = connection.decode_chunks()
                request.body = Body(Spooled(decoded))
            try:
                response, environ = create(
                    request, connection, connection.client, connection.server, self.cfg, response_class=Response
                )
            except Exception as error:
                self.log.exception("Error handling request")
                raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed", request) from error
            environ["wsgi.multithread"] = True
            environ["nodrop.queued_ms"] = queued * 1000
            environ["wsgi.input"] = Input(request.body, connection.progressed)
            environ["gunicorn.socket"] = TakenOver(connection)
            if decoded is not None:
                # Its length is known by now; without it Werkzeug cuts a body at MAX_CONTENT_LENGTH and says nothing.
                environ["CONTENT_LENGTH"] = str(len(decoded))
                del environ["HTTP_TRANSFER_ENCODING"]
            self._in_hand[number] = environ, began
            if not self.alive:
                response.force_close()
            try:
                self._answer(response, environ, connection)
            finally:
                self.log.access(response, request, environ, datetime.timedelta(seconds=time.monotonic() - began))
            return not connection.taken_over and not response.should_close() and connection.finish_request()
        finally:
            if decoded is not None:
                decoded.clear()

    def _answer(self, response: Response, environ: dict[str, Any], connection: Connection) -> None:
        connection.begin_answer()
        body: Iterable[bytes] = ()
        try:
            body = self.wsgi(environ, response.start_response)
            if connection.taken_over:
                return
            for part in body:
                response.write(part)
            response.close()
        except ClientGone:
            raise
        except (Exception, SystemExit) as error:
            self._leave_if_forked()
            if connection.taken_over:
                # What libraries for WebSockets do at their end, for want of a better way.
                if not isinstance(error, StopIteration):
                    self.log.exception("Error on a connection that the application has taken over")
                return
            self.log.exception("Error handling request %s", path_of(environ))
            if response.on_the_wire:
                connection.abort()
            else:
                response.answer_error(environ)
        finally:
            try:
                close = getattr(body, "close", None)
                if close:
                    close()
            except (Exception, SystemExit):
                self._leave_if_forked()
                self.log.exception("Error closing the answer to %s", path_of(environ))

    def _leave_if_forked(self) -> None:
        """End the child of an application that has forked: it has no business here."""
        if os.getpid() != self.pid:
            os._exit(1)

    # --- Stopping ----------------------------------------------------------------------------------------------------

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM: finish what is in hand and stop. The signal itself wakes the loop, through the pipe."""
        self.alive = False
        if not self.booted:
            raise SystemExit  # The application is still being loaded; nothing is in hand.
        self.report.set_ready(False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """SIGQUIT: stop at once, whatever is in hand."""
        os._exit(0)

    def init_signals(self) -> None:
        """gunicorn's, but for Ctrl-C: it reaches the workers too, and what becomes of them is the master's decision."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _drain(self) -> None:
        """Finish the requests in hand and those on their way, for as long as the grace period lasts."""
        deadline = time.monotonic() + self.settings.graceful_timeout
        for listener in self.sockets:
            # Whoever is connected already is served.
            while self._accept(listener):
                pass
        self._accept_more(False)
        for listener in self.sockets:
            listener.close()
        now = time.monotonic()
        for connection in self._connections:
            if connection.idle:
                connection.deadline = min(connection.deadline, now + KEEP_ALIVE_LINGER_SECONDS)
        while self._connections and time.monotonic() < deadline:
            self._turn(DRAIN_TICK_SECONDS)
        self._say_what_is_cut()

    def _say_what_is_cut(self) -> None:
        now = time.monotonic()
        for environ, began in list(self._in_hand.values()):
            self._log_request(
                f"cut off after {now - began:.1f} s, since GRACEFUL_TIMEOUT={self.settings.graceful_timeout} is over",
                environ,
            )
        waiting = self._requests.qsize()
        if waiting:
            self.log.error("%d requests that waited for a thread are cut off too", waiting)
        for connection in self._connections:
            if connection.behind and connection.stage is Stage.CLIENT:
                self._log_behind(connection, "has not taken its answer within GRACEFUL_TIMEOUT")
            elif connection.stage in (Stage.HEAD, Stage.BODY) and not connection.idle:
                if connection.request is None:
                    self.log.error(
                        "a request of %s, cut off in its head: GRACEFUL_TIMEOUT is over", connection.client[0]
                    )
                    continue
                environ = self._environ_of(connection, connection.request)
                what = f"cut off before it had arrived: GRACEFUL_TIMEOUT={self.settings.graceful_timeout} is over"
                self._log_request(what, environ)

    # --- Stalls ------------------------------------------------------------------------------------------------------

    def _report_stalls(self, now: float) -> None:
        """Log where a request stands that has made no progress for STALL_TIMEOUT, once; /livez tells the rest."""
        if not self.settings.stall_timeout:
            return
        for number, thread in enumerate(self._threads):
            if self.report.stalled_for(number, now) <= self.settings.stall_timeout:
                self._stalled.discard(number)
                continue
            frame = sys._current_frames().get(thread.ident or 0)
            in_hand = self._in_hand.get(number)
            if number not in self._stalled and frame and in_hand:
                self._stalled.add(number)
                self._log_request(
                    f"has made no progress for STALL_TIMEOUT={self.settings.stall_timeout} seconds",
                    in_hand[0],
                    stack="".join(traceback.format_stack(frame)),
                )

    def _log_request(self, what: str, environ: dict[str, Any], **fields: str) -> None:
        method = environ.get("REQUEST_METHOD")
        path = path_of(environ)
        if "nodrop.request_id" in environ:
            fields["request_id"] = environ["nodrop.request_id"]
        self.log.error("request %s %r %s", method, path, what, extra={"fields": fields})
