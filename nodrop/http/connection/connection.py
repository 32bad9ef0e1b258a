"""One client's connection: its stage, what comes in, what goes out."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from nodrop.http.connection.incoming import Incoming
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.loop_services import LoopServices
from nodrop.http.connection.outgoing import Outgoing
from nodrop.http.connection.spool import Budget
from nodrop.http.connection.stages import TABLE, Rule, Stage
from nodrop.http.requests.heads import Heads

RECEIVE_BYTES = 64 * 1024
HELD_BYTES = 16 * 1024
"""Larger answers are sent at once."""
_DISCARDED = bytearray(1024 * 1024)
"""What nobody reads."""


class Connection:
    """The state of one connection. The loop calls all of it but `sendall`, `send_last`, `progressed` and `take_over`,
    which the thread calls that has its request."""

    def __init__(
        self,
        sock: socket.socket,
        client: Any,
        server: Any,
        *,
        heads: Heads,
        services: LoopServices,
        answers: Budget,
        limits: Limits,
    ) -> None:
        """client, server: the addresses of both ends. answers: room for them."""
        self.sock = sock
        self.descriptor: int = sock.fileno()
        """The socket's."""
        self.client = client
        self.server = server
        self.variables: dict[str, Any] | None = None
        """What the environments of all its requests have in common, once there was one (answers/environ.py)."""
        self.stage = Stage.IDLE
        self.deadline = math.inf
        """When the loop loses patience with the client, by time.monotonic(); infinite while it is not waited for."""
        self.since = 0.0
        """When the wait for the client began, or when it last sent some of its body or took some of its answer."""
        self.watched = 0
        """The events that the loop waits for."""
        self.thread = -1
        """The number of the thread that has the request, or that had the last one."""
        self.handed_over = 0.0
        """When the request was complete and began to wait for a thread, by time.monotonic()."""
        self.keep = False
        """Whether another request may follow the answer that is being sent."""
        self.finish: Callable[[int], None] | None = None
        """What a thread has to do once the rest of the answer's file is sent; called with how many bytes were."""
        self.taken_over = False
        """The application does with the socket what it likes."""
        self.discarded = 0
        """Bytes that have come since it was closed on this side."""
        self.closed_at = 0.0
        """When it was closed on this side, by time.monotonic()."""
        self.awoken = False
        """The application's threads that wait for the socket were told that it has ended."""
        self.incoming = Incoming(self, heads, services, limits)
        self.outgoing = Outgoing(self, sock, answers, services, limits.write_seconds)
        self._services = services

    @property
    def rule(self) -> Rule:
        """What holds in its stage."""
        return TABLE[self.stage]

    @property
    def events(self) -> int:
        """What the loop should wait for."""
        return (EVENT_READ if TABLE[self.stage].reads else 0) | (EVENT_WRITE if self.outgoing.has_rest else 0)

    def enter(self, stage: Stage, seconds: float) -> None:
        """Begin a stage, which may last so long."""
        if stage not in TABLE[self.stage].next:
            raise RuntimeError(f"a connection can't go from {self.stage} to {stage}")
        self.stage = stage
        # As `allow`, at the cost of no call: three stages a request.
        self.since = now = time.monotonic()
        self.deadline = now + seconds

    def allow(self, seconds: float) -> None:
        """Give the client so long from now on."""
        self.since = time.monotonic()
        self.deadline = self.since + seconds

    @property
    def request(self) -> Any:
        """gunicorn's request, once its head is complete."""
        return self.incoming.request

    @property
    def behind(self) -> int:
        """Bytes that wait for the client."""
        return self.outgoing.behind

    @property
    def broken(self) -> bool:
        """Nothing can be sent any more."""
        return self.outgoing.broken

    def receive_some(self) -> bytes | None:
        """What the client has sent; None if nothing, b"" if it has ended."""
        try:
            return self.sock.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def client_is_gone(self) -> bool:
        """Whether the client has closed its side, without anything else that it has sent waiting to be read."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def discard_some(self) -> int | None:
        """Drop what the client has sent: how many bytes; None if nothing, 0 if it has ended."""
        try:
            return self.sock.recv_into(_DISCARDED, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return 0

    def sendall(self, data: bytes) -> None:
        """Send `data`, or leave it to the loop. Raises ClientGone. gunicorn's response calls it as that of a socket."""
        self.outgoing.sendall(data)

    def send_last(self, data: bytes) -> None:
        """Send `data`, the last of an answer, now or in a moment. Raises ClientGone."""
        if len(data) > HELD_BYTES or not self._services.hold(self, data):
            self.outgoing.sendall(data)

    def progressed(self) -> None:
        """The request has read or written something."""
        self._services.progressed(self)

    def take_over(self) -> None:
        """The application uses the socket itself from now on."""
        if not self.taken_over:
            self.taken_over = True
            if self.outgoing.held:
                # What the application sends itself comes behind it.
                self.outgoing.flush()
            self.sock.setblocking(True)
            self._services.exempt(self)

    def half_close(self) -> None:
        """Say that nothing follows, so that the client closes. Closing at once could reset what is still on its way."""
        if self.taken_over:
            # With a timeout of the application's, the loop would have to wait in recv.
            self.sock.setblocking(False)
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End it while a thread has it, which gets ClientGone."""
        self.outgoing.abort()
        self.shut_down()

    def shut_down(self) -> None:
        """End it for both sides. Whoever waits for it, in a thread of the application's, is woken."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close, and free what is kept. Not while a thread has the connection."""
        self.outgoing.clear()
        self.incoming.clear()
        self.sock.close()
