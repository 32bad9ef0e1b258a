"""Serves the management port: one thread, a few connections, and room for the newest of them.

Whoever reaches the port can open connections faster than they time out, so time alone does not bound them. There are
MOST_CONNECTIONS at any time. When one more comes, the one that has made no progress for the longest time is closed:
the kubelet's probe sends its request as soon as it is connected, and is answered before others could push it out.
Nothing that a client does or fails to do is waited for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import NoReturn

from nodrop.management.client import Connection, Phase
from nodrop.management.parsing import RefusedError, Request, take
from nodrop.management.responses import Response, line
from nodrop.system.addresses import bound

MOST_CONNECTIONS = 64
BACKLOG = 1024
"""Connections that the kernel holds until they are accepted, which takes a few microseconds each."""
DEFER_SECONDS = 5
SPARE_DESCRIPTORS = 16
"""Kept free for the loop itself and for the files that the answers are read from."""
PAUSE_SECONDS = 0.1
"""Before accepting is tried again when there are no descriptors."""
QUIET_SECONDS = 60.0
"""Between two lines in the log that say the same."""
# Of a connection, that the kernel may hold. It would let them grow to some MiB each.
SEND_BUFFER_BYTES = 128 * 1024
RECEIVE_BUFFER_BYTES = 16 * 1024

Respond = Callable[[Request, Callable[[Response], None]], None]
_log = logging.getLogger(__name__)


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens there, with small buffers. Raises OSError."""
    listener = bound(address, port)
    # Connections inherit both.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # Linux keeps a connection to itself until there is something to read. So a probe comes with its request, and
        # is answered as it is accepted; else a flood could push it out while the client is about to send.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class Waker:
    """Makes a loop that sleeps go round, from another thread."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def wake(self) -> None:
        """Wake the loop. Twice before it looks is the same as once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """The loop has been woken."""
        os.read(self.reader, 4096)


class Server:
    """The loop, and the connections it serves."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        respond: Respond,
        forget: Callable[[Callable[[Response], None]], None],
    ) -> None:
        """listener: does not block. respond: answers a request by calling what it is given, at once or later, from the
        loop's thread. forget: is told that an answer is no longer waited for.
        """
        self._listener = listener
        self._respond = respond
        self._forget = forget
        self._room = _room(listener)
        self._connections: set[Connection] = set()
        self._more: list[Connection] = []
        """Those that have sent more than one request, of which each is served one a turn."""
        self._paused_until = 0.0
        self._quiet_until: dict[str, float] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def call_on(self, waker: Waker, function: Callable[[], None]) -> None:
        """Call the function whenever the loop is woken with this waker."""

        def woken() -> None:
            waker.clear()
            function()

        self._selector.register(waker.reader, selectors.EVENT_READ, woken)

    def serve_forever(self) -> NoReturn:
        """Serve until the process ends."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait until there is something to do, and do it. New connections come first, and between any two others."""
        for key, _ in self._selector.select(self._patience()):
            key.data()
            self._accept()
        more, self._more = self._more, []
        for connection in more:
            if connection in self._connections:
                self._take(connection)
            self._accept()
        self._expire()

    def _patience(self) -> float | None:
        """For how many seconds there is nothing to do unless something comes; None for ever."""
        if self._more:
            return 0.0
        times = [connection.deadline for connection in self._connections]
        if self._paused_until:
            times.append(self._paused_until)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _expire(self) -> None:
        now = time.monotonic()
        if self._paused_until and now >= self._paused_until:
            self._paused_until = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        for connection in [each for each in self._connections if now >= each.deadline]:
            if connection.phase is Phase.READING and connection.received:
                self._refuse(connection, HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")
            else:
                self._close(connection)

    # --- Connections come and go -------------------------------------------------------------------------------------

    def _accept(self) -> None:
        """Accept those that have come, up to as many as there may be."""
        for _ in range(self._room):
            if self._paused_until:
                return
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                # Most likely there is no descriptor for it.
                self._say("can't accept connections for health and metrics: %s", error)
                if not self._make_room():
                    self._pause()
                continue
            self._admit(client)

    def _admit(self, client: socket.socket) -> None:
        if len(self._connections) >= self._room:
            self._say("more than %d connections for health and metrics: the oldest are closed", self._room)
            self._make_room()
        connection = Connection(client)
        self._connections.add(connection)
        # Its request has most likely come with it.
        self._ready(connection)

    def _make_room(self) -> bool:
        """Close the connection that has made no progress for the longest time; whether there was one."""
        if not self._connections:
            return False
        self._close(min(self._connections, key=lambda connection: connection.since))
        return True

    def _pause(self) -> None:
        """Accept nothing for a moment: the listener stays readable, and the loop would spin."""
        self._selector.unregister(self._listener)
        self._paused_until = time.monotonic() + PAUSE_SECONDS

    def _close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._watch(connection, 0)
        if connection.reply is not None:
            self._forget(connection.reply)
        connection.close()

    def _watch(self, connection: Connection, events: int) -> None:
        """Wait for these events of the connection, and for no others."""
        if events == connection.watched:
            return
        if not events:
            self._selector.unregister(connection.socket)
        elif not connection.watched:
            self._selector.register(connection.socket, events, partial(self._ready, connection))
        else:
            self._selector.modify(connection.socket, events, partial(self._ready, connection))
        connection.watched = events

    def _say(self, text: str, *values: object) -> None:
        """Log it, unless it was said a short while ago."""
        now = time.monotonic()
        if now >= self._quiet_until.get(text, 0.0):
            self._quiet_until[text] = now + QUIET_SECONDS
            _log.warning(text, *values)

    # --- One connection ----------------------------------------------------------------------------------------------

    def _ready(self, connection: Connection) -> None:
        """The connection can be read or written, whichever it waits for."""
        if connection not in self._connections:
            return
        if connection.phase is Phase.ANSWERING:
            self._send(connection)
        elif connection.receive():
            if connection.phase is not Phase.CLOSING:
                self._take(connection)
        else:
            self._part(connection)

    def _take(self, connection: Connection) -> None:
        """Answer the next request of the connection, if it is there in full."""
        try:
            request = take(connection.received)
        except RefusedError as refused:
            self._refuse(connection, refused.status, refused.why)
            return
        if not request:
            self._watch(connection, selectors.EVENT_READ)
            return
        connection.request = request
        connection.reply = partial(self._answer, connection)
        connection.enter(Phase.ANSWERING)
        self._respond(request, connection.reply)
        if connection.reply is not None:
            self._watch(connection, 0)

    def _refuse(self, connection: Connection, status: HTTPStatus, why: str) -> None:
        connection.request = None
        connection.enter(Phase.ANSWERING)
        self._answer(connection, line(status, why))

    def _answer(self, connection: Connection, response: Response) -> None:
        connection.reply = None
        self._send(connection, response.encode(connection.request, keep_alive=connection.keep_alive))

    def _part(self, connection: Connection) -> None:
        """The client sends nothing any more."""
        if connection.has_all():
            self._close(connection)
            return
        try:
            # It may still read. If this closed now, the kernel would keep what the client does not take, without a
            # bound of ours.
            connection.finish()
        except OSError:
            # The client has reset the connection, and the kernel counts what it was sent as not received for ever.
            self._close(connection)
            return
        self._watch(connection, 0)

    def _send(self, connection: Connection, pieces: list[memoryview] | None = None) -> None:
        try:
            if not connection.send(pieces):
                self._watch(connection, selectors.EVENT_WRITE)
            elif not connection.keep_alive:
                connection.finish()
                self._watch(connection, selectors.EVENT_READ)
            elif connection.received:
                # What else it has sent waits for a turn: others are served in between.
                connection.enter(Phase.READING)
                self._watch(connection, 0)
                self._more.append(connection)
            else:
                connection.enter(Phase.IDLE)
                self._watch(connection, selectors.EVENT_READ)
        except OSError:
            self._close(connection)


def _room(listener: socket.socket) -> int:
    """How many connections there may be: fewer than MOST_CONNECTIONS where few descriptors are allowed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    # The kernel gives the lowest that is free, so as many as its number are in use.
    return max(1, min(MOST_CONNECTIONS, limit - listener.fileno() - SPARE_DESCRIPTORS))
