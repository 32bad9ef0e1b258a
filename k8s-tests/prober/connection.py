"""One TCP connection that never blocks, and the request that is on it.

Its owner has it watched by epoll for EVENTS, and tells it what was seen.
"""

import select
import socket
from errno import EADDRNOTAVAIL, ECONNREFUSED, ECONNRESET, EINPROGRESS, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPIPE

from answer import AnswerReader
from record import Failure

# Edge-triggered: said once, when it becomes so, which saves asking to be told and asking not to be told any more.
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

_READ_BYTES = 64 * 1024
_CLASSES = {
    ECONNREFUSED: "refused",
    ECONNRESET: "reset",
    EPIPE: "reset",
    # What the prober itself has run out of: files, memory, ports.
    **dict.fromkeys((EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL), "not-sent"),
}

Address = tuple[str, int] | tuple[str, int, int, int]


def class_of(error: int) -> str:
    """The class of error of an errno."""
    return _CLASSES.get(error, "unreachable")


class Connection:
    """A connection that is being opened.

    Whatever goes wrong is raised as Failure by the call that meets it; the connection is then of no more use.
    """

    __slots__ = ("_connected", "_left", "_reader", "_send_error", "_socket", "first_byte_seen", "number")

    def __init__(self, family: int, address: Address) -> None:
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as failed:
            raise Failure(class_of(failed.errno or 0)) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self._socket.connect_ex(address)
        if error not in (0, EINPROGRESS):
            self._socket.close()
            raise Failure(class_of(error))
        self._connected = error == 0
        self._left = memoryview(b"")
        self._send_error = ""
        self._reader: AnswerReader | None = None
        self.first_byte_seen = False
        self.number = -1
        """The request that is on it; -1 for none."""

    def fileno(self) -> int:
        """The file descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it, whatever its state."""
        self._socket.close()

    def is_quiet(self) -> bool:
        """Whether a kept connection is still open and silent: asked right before it is used again."""
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def begin(self, number: int, data: bytes, reader: AnswerReader) -> None:
        """Send request `number`, whose bytes are `data`, as soon as may be; its answer goes to `reader`."""
        self.number, self._left, self._reader, self.first_byte_seen = number, memoryview(data), reader, False
        if self._connected:
            self._send()
            if self._send_error:
                raise Failure(self._send_error)

    def advance(self, events: int) -> bool:
        """Go on, now that epoll has seen `events`; returns whether the answer is whole."""
        if not self._connected:
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise Failure(class_of(error))
            self._connected = True
        if self._left and events & select.EPOLLOUT:
            self._send()
        return bool(events & ~select.EPOLLOUT) and self._receive()

    def may_be_kept(self, events: int) -> bool:
        """Whether another request may be sent, the answer being whole and `events` the last that were seen."""
        over = events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)
        return bool(self._reader and self._reader.answer.reusable and not self._left and not over)

    def _send(self) -> None:
        try:
            while self._left:
                self._left = self._left[self._socket.send(self._left) :]
        except BlockingIOError:
            pass
        except OSError as error:
            # A server may answer and close before it has read everything: then that answer is the result.
            self._send_error = class_of(error.errno or 0)
            self._left = memoryview(b"")

    def _receive(self) -> bool:
        assert self._reader
        try:
            # Until there is no more: it is not said again that there is.
            while data := self._socket.recv(_READ_BYTES):
                self.first_byte_seen = True
                if self._reader.feed(data):
                    return True
        except BlockingIOError:
            if self._send_error:
                raise Failure(self._send_error) from None
            return False
        except OSError as error:
            raise Failure(class_of(error.errno or 0)) from None
        if self._send_error and not self.first_byte_seen:
            raise Failure(self._send_error)
        return self._reader.end()
