"""Takes each connection from one stage to the next (connection/stages.py has the table). Runs in the loop."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.config.types import show_size
from nodrop.health.worker_state import WorkerReport
from nodrop.http.answers.refusals import Refusal, Refusals
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.connection.spool import Budget, BudgetExceeded
from nodrop.http.connection.stages import CLOSING_SECONDS, LINGER_BYTES, LINGER_SECONDS, TABLE, Overdue, Owner, Stage
from nodrop.http.event_loop.held import HeldAnswers
from nodrop.http.event_loop.loop import Loop
from nodrop.http.event_loop.uploads import Uploads
from nodrop.http.requests.heads import Heads
from nodrop.logs.access import path_of
from nodrop.metrics.worker_metrics import ServerMetrics

KEEP_ALIVE_LINGER_SECONDS = 5.0
"""How long a stopping worker keeps idle connections, for requests that are on their way; it answers them with
`Connection: close`."""


RETRY_AFTER_SECONDS = 5
"""When a client that was turned away for lack of threads may come back."""
AWAKENING_SECONDS = 0.5
"""How long the threads of a library for WebSockets have to see that the connection has ended."""


class Lifecycle:
    """The connections of a worker, each in its stage. Each of them asks it for LoopServices."""

    def __init__(
        self,
        loop: Loop,
        settings: ServingSettings,
        report: WorkerReport,
        refusals: Refusals,
        metrics: ServerMetrics,
        *,
        cfg: Any,
        log: Any,
        hand_over: Callable[[Connection], None],
        hand_over_finish: Callable[[Callable[[], None]], None],
    ) -> None:
        """cfg, log: gunicorn's.

        hand_over: called with a connection whose request is complete, for a thread to take.
        hand_over_finish: called with what a thread is to do.
        """
        self.stopping = False
        """No connection is kept for longer than KEEP_ALIVE_LINGER_SECONDS any more."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when another connection may be accepted."""
        self.held = HeldAnswers()
        self._loop = loop
        self._settings = settings
        self._report = report
        self._refusals = refusals
        self._metrics = metrics
        self._heads = Heads(cfg)
        self._log = log
        self._hand_over = hand_over
        self._hand_over_finish = hand_over_finish
        # As much for each, so that uploads can't take the room that answers need.
        self._uploads = Uploads(settings, refusals.address_of)
        self._answers = Budget(settings.body_buffer_bytes)
        self._limits = Limits(
            head=settings.max_header_bytes, body=settings.max_body_bytes, write_seconds=settings.write_timeout
        )
        self._seconds = {stage: rule.deadline(settings) for stage, rule in TABLE.items()}
        loop.on_event = self._on_event
        loop.on_error = self._cut
        loop.ticks.append(self._look_at_deadlines)

    # --- From stage to stage -----------------------------------------------------------------------------------------

    def open(self, sock: socket.socket, client: Any, server: Any) -> None:
        """A client has connected. client, server: the addresses of both ends."""
        sock.setblocking(False)
        connection = Connection(
            sock, client, server, heads=self._heads, services=self, answers=self._answers, limits=self._limits,
        )  # fmt: skip
        self._loop.connections.add(connection)
        connection.allow(self._settings.read_timeout)
        # Often the request is there already, which saves a turn of the loop.
        self._loop.run(connection, self._on_readable)

    def _enter(self, connection: Connection, stage: Stage) -> None:
        connection.enter(stage, self._seconds[stage])

    def _on_event(self, connection: Connection, events: int) -> None:
        if events & EVENT_WRITE:
            self._on_writable(connection)
        if events & EVENT_READ and connection.watched & EVENT_READ:
            if TABLE[connection.stage].reads:
                self._on_readable(connection)
            else:
                self._loop.watch(connection)

    def _on_readable(self, connection: Connection) -> None:
        if connection.stage is Stage.CLOSING:
            self._discard(connection)
            return
        data = connection.receive_some()
        if data is None:
            self._loop.watch(connection)
        elif not data:
            self.close(connection)
        else:
            self._receive(connection, data)

    def _receive(self, connection: Connection, data: bytes) -> None:
        incoming = connection.incoming
        try:
            complete = incoming.receive(data)
        except Refusal as refusal:
            self.refuse(connection, refusal)
            return
        if complete:
            # It stays watched: mostly nothing comes until it is answered.
            connection.enter(Stage.APPLICATION, math.inf)
            connection.handed_over = connection.since
            self._hand_over(connection)
            return
        stage = Stage.BODY if incoming.in_body else Stage.HEAD
        if connection.stage is not stage:
            self._enter(connection, stage)
        elif stage is Stage.BODY:
            # A client that keeps sending, be it slowly, gets its time, but none in advance.
            left = connection.deadline + len(data) / self._settings.min_upload_rate
            connection.allow(self._settings.read_timeout)
            connection.deadline = min(left, connection.deadline)
        if incoming.wants_continue:
            incoming.wants_continue = False
            connection.outgoing.queue(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._on_writable(connection)
            return
        self._loop.watch(connection)

    def refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Answer without asking the application, and close. Nothing of what else has come is looked at."""
        connection.incoming.discard()
        connection.outgoing.queue(self._refusals.answer(connection, refusal))
        connection.keep = False
        self._enter(connection, Stage.SENDING)
        self._on_writable(connection)

    def refuse_waiting(self, connection: Connection) -> None:
        """The request has waited for a thread for too long."""
        self._metrics.timed_out()
        detail = "the server is too busy to answer in time"
        why = f"waited {self._settings.queue_timeout} s for a thread (QUEUE_TIMEOUT)"
        refusal = Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, detail, connection.request, why=why, retry_after=RETRY_AFTER_SECONDS
        )
        self._loop.run(connection, self.refuse, refusal)

    def drop_waiting(self, connection: Connection) -> None:
        """The client has gone while its request waited for a thread: it is not run."""
        self._metrics.dropped()
        self._loop.run(connection, self._drop)

    def _drop(self, connection: Connection) -> None:
        environ = self._refusals.environ_of(connection, connection.request)
        self._log.info(
            "request %s %r dropped: its client has gone while it waited for a thread",
            environ["REQUEST_METHOD"], path_of(environ),
        )  # fmt: skip
        connection.enter(Stage.SENDING, 0)
        self.close(connection)

    def _on_writable(self, connection: Connection) -> None:
        try:
            sent = connection.outgoing.flush()
        except ClientGone:
            self._cut(connection)
            return
        if connection.outgoing.has_rest:
            if sent or not connection.watched & EVENT_WRITE:
                self._await_client(connection)
        elif connection.stage is Stage.SENDING:
            self._answered(connection)
        else:
            # A thread has nothing for the loop to send at the moment; or "100 Continue" is out, and the body is what
            # is waited for again.
            connection.allow(self._seconds[connection.stage])
            self._loop.watch(connection)

    def _await_client(self, connection: Connection) -> None:
        """The client has something to take: wait for it to do so."""
        connection.allow(self._settings.write_timeout)
        self._loop.watch(connection)

    def finished(self, connection: Connection, keep: bool, finish: Callable[[int], None] | None) -> None:
        """A thread is done with the request; `keep`: another may follow on the connection.

        finish: what is left to be done by a thread once the rest of the answer's file is sent, or can't be sent. It is
        called with how many bytes were.
        """
        outgoing = connection.outgoing
        if keep and finish is None and not (outgoing.has_rest or outgoing.broken or self.stopping):
            self._await_next(connection)
            # It can make room for another now.
            self.on_room()
            return
        connection.keep = keep
        connection.finish = finish
        self._enter(connection, Stage.SENDING)
        if not keep:
            # Others need the room that the body takes, and the client may take its time.
            connection.incoming.discard()
        self.on_room()
        if outgoing.broken:
            self.close(connection)
        elif outgoing.held:
            # Sent in a moment.
            pass
        elif outgoing.has_rest:
            self._await_client(connection)
        else:
            self._answered(connection)

    def send_held(self) -> None:
        """Send the answers that were held back."""
        for connection in self.held.take():
            self._loop.run(connection, self._on_writable)

    def _answered(self, connection: Connection) -> None:
        """The client has the whole answer."""
        self._settle(connection)
        if not connection.keep:
            self._half_close(connection)
            return
        self._await_next(connection)

    def _await_next(self, connection: Connection) -> None:
        """Wait for the client's next request, unless it is here."""
        connection.enter(Stage.IDLE, self._seconds[Stage.IDLE])
        if self.stopping:
            connection.allow(min(KEEP_ALIVE_LINGER_SECONDS, self._settings.keep_alive))
        if connection.incoming.empty:
            if connection.watched != EVENT_READ:
                self._loop.watch(connection)
        else:
            # The client has sent its next request, or a part of it, without waiting for the answer.
            self._receive(connection, b"")

    def _settle(self, connection: Connection) -> None:
        """The answer's file is sent, or no more of it will be: have a thread finish the request."""
        finish, connection.finish = connection.finish, None
        if finish:
            self._hand_over_finish(partial(finish, connection.outgoing.file_sent))

    def _half_close(self, connection: Connection) -> None:
        """Close, but let the client take what is on its way first."""
        self._enter(connection, Stage.CLOSING)
        connection.closed_at = connection.since
        try:
            connection.half_close()
        except OSError:
            self.close(connection)
            return
        self._loop.watch(connection)

    def _discard(self, connection: Connection) -> None:
        """Drop what still comes after the end, for a time: closing now could cost the client its answer."""
        size = connection.discard_some()
        if size is None:
            return
        connection.discarded += size
        if not size or connection.discarded > LINGER_BYTES:
            self.close(connection)
        elif not self.stopping:
            connection.allow(CLOSING_SECONDS)
            connection.deadline = min(connection.deadline, connection.closed_at + LINGER_SECONDS)

    def close(self, connection: Connection) -> None:
        """Close the connection, which no thread has."""
        self._loop.unwatch(connection)
        self._settle(connection)
        if connection.taken_over and not connection.awoken:
            self._wake_application(connection)
            return
        self._loop.connections.discard(connection)
        connection.close()
        self.on_room()

    def _wake_application(self, connection: Connection) -> None:
        """Wake the threads that a library has for the socket, and close it a moment later.

        Closing ends no recv, and poll and epoll forget a file that is closed before they have looked at it.
        """
        connection.awoken = True
        connection.shut_down()
        connection.stage = Stage.CLOSING
        connection.allow(AWAKENING_SECONDS)

    # --- Deadlines and limits ----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Keep idle connections only for requests that are on their way."""
        self.stopping = True
        soon = time.monotonic() + KEEP_ALIVE_LINGER_SECONDS
        for connection in self._loop.connections:
            if connection.stage is Stage.IDLE:
                connection.deadline = min(connection.deadline, soon)

    def _look_at_deadlines(self, now: float) -> None:
        for connection in [each for each in self._loop.connections if each.deadline <= now]:
            self._loop.run(connection, self._expire)

    def _expire(self, connection: Connection) -> None:
        overdue = connection.rule.overdue
        if overdue is Overdue.REFUSE:
            self.refuse(connection, self._late(connection))
            return
        if overdue is Overdue.CUT:
            self._metrics.closed("write_timeout")
            self.log_behind(connection, f"has taken nothing for WRITE_TIMEOUT={self._settings.write_timeout} seconds")
        self._cut(connection)

    def _late(self, connection: Connection) -> Refusal:
        detail = "the request did not arrive in time"
        why = f"{detail}: READ_TIMEOUT={self._settings.read_timeout}"
        if connection.stage is Stage.BODY:
            why += f", MIN_UPLOAD_RATE={show_size(self._settings.min_upload_rate)} bytes a second"
        return Refusal(HTTPStatus.REQUEST_TIMEOUT, detail, connection.request, why=why)

    def _cut(self, connection: Connection) -> None:
        """End the connection, whoever owns it."""
        if connection.rule.owner is Owner.LOOP:
            self.close(connection)
            return
        # The thread gets to know, and hands the connection back.
        connection.abort()
        connection.deadline = math.inf
        self._loop.watch(connection)

    def close_to_make_room(self, connection: Connection) -> None:
        """Close the connection for another client's sake."""
        if connection.stage is not Stage.CLOSING:
            self._metrics.closed("made_room")
        self.close(connection)

    def log_behind(self, connection: Connection, why: str) -> None:
        """Say that a client gets no more of its answer, and why."""
        self._log.warning("%s cut off, %d bytes behind: it %s", connection.client[0], connection.behind, why)

    # --- What connections ask of the loop (connection/loop_services.py) ----------------------------------------------

    def room_for_body(self, connection: Connection, request: Any) -> Budget:
        """Where the request's body is to be kept."""
        return self._uploads.room_of(connection, request)

    def give_way(self, connection: Connection, exceeded: BudgetExceeded) -> None:
        """Refuse the slowest upload, for one that does not fit. Raises Refusal if that is the slowest."""
        slowest, which = self._uploads.to_give_way(self._loop.connections, connection, exceeded)
        refusal = slowest.incoming.too_slow(exceeded, which)
        if slowest is connection:
            raise refusal
        self.refuse(slowest, refusal)

    def send_rest(self, connection: Connection) -> None:
        """Send what was left of the answer."""
        with self._loop.lock:
            self._loop.run(connection, self._watch_outgoing)

    def hold(self, connection: Connection, data: bytes) -> bool:
        """Send `data`, the last of an answer, in a moment; False if it is to be sent at once."""
        # Most are not, and need no lock. Only the thread itself is given the permission.
        if connection.thread != self.held.thread:
            return False
        with self._loop.lock:
            return self.held.add(connection, data, time.monotonic())

    def make_room(self, connection: Connection, size: int) -> None:
        """Make room for so many bytes of an answer."""
        with self._loop.lock:
            self._loop.run(connection, self._relieve, size)

    def progressed(self, connection: Connection) -> None:
        """Tell the health check."""
        self._report.request_progressed(connection.thread)

    def exempt(self, connection: Connection) -> None:
        """Tell the health check, and wait for nothing any more on a socket that is the application's.

        It may close the descriptor, whose number is then another client's.
        """
        self._report.request_exempt(connection.thread)
        with self._loop.lock:
            self._loop.run(connection, self._loop.watch)

    def _watch_outgoing(self, connection: Connection) -> None:
        # "100 Continue" may have been watched for already, without a deadline since.
        if connection.outgoing.has_rest and not (connection.watched & EVENT_WRITE and connection.deadline < math.inf):
            self._await_client(connection)

    def _relieve(self, connection: Connection, size: int) -> None:  # noqa: ARG002 - what the loop is called for
        """Make room for `size` bytes of answers, unless there is some by now: cut off the client furthest behind."""
        behind = [each for each in self._loop.connections if each.outgoing.occupied and not each.broken]
        if behind and self._answers.used + size > self._answers.limit:
            furthest = max(behind, key=lambda each: each.outgoing.occupied)
            self._metrics.closed("furthest_behind")
            self.log_behind(furthest, f"is furthest behind while BODY_BUFFER_BYTES={self._answers.limit} are in use")
            self._cut(furthest)
