"""One connection to the management port: what it is doing, and for how long it may."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from nodrop.management.parsing import Request

RECEIVE_BYTES = 16 * 1024


class Phase(Enum):
    """What a connection is doing."""

    IDLE = auto()
    """Nothing, after an answer."""
    READING = auto()
    """It is new, or a part of a request has arrived."""
    ANSWERING = auto()
    """The answer is being made or sent."""
    CLOSING = auto()
    """The last answer has been sent. Closed at once, the kernel would discard it if the client is still sending."""


SECONDS = {
    # More than the minute that is common between two scrapes.
    Phase.IDLE: 75.0,
    # For the whole request, however slowly it comes.
    Phase.READING: 5.0,
    # For the whole answer, however slowly it is taken. Prometheus gives up after as long.
    Phase.ANSWERING: 10.0,
    Phase.CLOSING: 5.0,
}
"""The longest that a connection stays in each phase."""


class Connection:
    """One connection. It knows neither the others nor the loop that calls it."""

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)
        self.socket = client
        self.received = bytearray()
        self.request: Request | None = None
        """The request that is being answered; None if what came is not one."""
        self.reply: Callable[..., Any] | None = None
        """What the answer will be given to, while it is being made."""
        self.watched = 0
        """What the loop waits for here: a set of events of `selectors`."""
        self._unsent: list[memoryview] = []
        self.enter(Phase.READING)

    def enter(self, phase: Phase) -> None:
        """Begin a phase, and its time."""
        self.phase = phase
        self.since = time.monotonic()
        self.deadline = self.since + SECONDS[phase]

    @property
    def keep_alive(self) -> bool:
        """Whether another request may follow the one that is being answered."""
        return self.request is not None and self.request.keep_alive

    def receive(self) -> bool:
        """Take some of what has arrived. False if the client has sent its last or is gone."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.phase is Phase.CLOSING:
            return bool(data)
        if data and self.phase is Phase.IDLE:
            self.enter(Phase.READING)
        self.received += data
        return bool(data)

    def send(self, pieces: list[memoryview] | None = None) -> bool:
        """Send what the client takes at once of these pieces, or of what is left; whether that was the rest.

        Raises OSError if the client is gone.
        """
        self._unsent = pieces or self._unsent
        while self._unsent:
            try:
                sent = self.socket.sendmsg(self._unsent)
            except BlockingIOError:
                return False
            while self._unsent and sent >= len(self._unsent[0]):
                sent -= len(self._unsent.pop(0))
            if sent:
                self._unsent[0] = self._unsent[0][sent:]
        return True

    def finish(self) -> None:
        """Tell the client that nothing more comes, and wait for it to close. Raises OSError if it is gone."""
        self.received.clear()
        self.socket.shutdown(socket.SHUT_WR)
        self.enter(Phase.CLOSING)

    def has_all(self) -> bool:
        """Whether the client has received all that it was sent, as far as the kernel tells."""
        try:
            return not any(fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return True

    def close(self) -> None:
        """Close it. What the client has not taken by now is dropped, so that the kernel does not keep it either."""
        if not self.has_all():
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
