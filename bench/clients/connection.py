"""One connection of a client, and how far the answer on it has come."""

from __future__ import annotations

import errno
import re
import socket

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
CHUNK = 1 << 18


class Connection:
    """A connection that is being opened. due: when the request on it had to be sent, on the clock of the run.

    Raises OSError if it can't be opened.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due: float | None = None
        self.is_open = False
        self.unsent = memoryview(b"")
        self._received = b""
        self._expected = 0
        code = self.socket.connect_ex(("127.0.0.1", port))
        if code != errno.EINPROGRESS:
            self.socket.close()
            raise OSError(code, "connect")

    def connected(self) -> None:
        """It is open now. Raises OSError if it has been refused."""
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "connect")
        self.is_open = True

    def send(self) -> bool:
        """Send what is unsent, as far as there is room. Returns whether all is sent. Raises OSError if it is closed."""
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return False
        return not self.unsent

    def begin(self, request: bytes) -> None:
        """The next request is to be sent."""
        self.unsent = memoryview(request)
        self._received = b""
        self._expected = 0

    def receive(self) -> bool:
        """Take what has come. Returns whether that is a whole answer. Raises OSError if the connection is closed."""
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionError("closed")
        self._received = self._received + data if self._received else data
        if not self._expected:
            head = self._received.find(b"\r\n\r\n")
            length = LENGTH.search(self._received, 0, head + 2) if head >= 0 else None
            if not length:
                return False
            self._expected = head + 4 + int(length[1])
        return len(self._received) >= self._expected

    @property
    def has_succeeded(self) -> bool:
        """Whether the answer has a status of 200 to 399."""
        return self._received[9:10] in (b"2", b"3")

    @property
    def is_last(self) -> bool:
        """Whether the server has said that it closes the connection."""
        return self._received.startswith(b"HTTP/1.0") or CLOSES.search(self._received, 0, 1024) is not None
