"""Reads one HTTP/1.1 answer from a connection's bytes as they come. Strict: what is not HTTP is a failure.

Python's own http.client reads from blocking sockets only, and takes as long for one head as the prober may for a whole
request.
"""

import re
from dataclasses import dataclass, field

from record import Failure

LONGEST_HEAD = 64 * 1024
# An echo of the largest body that the application takes by default (16 MiB), which base64 makes longer by a third.
LONGEST_ANSWER = 32 * 1024 * 1024

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


@dataclass(slots=True)
class Answer:
    """A whole answer. The names of `headers` are lower-case; of a header that is repeated the last one counts."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reusable: bool = False
    """Whether the connection may carry another request."""


class AnswerReader:
    """The answer to one request of `method`. Once feed() or end() has returned true, `answer` is whole."""

    __slots__ = ("_body", "_buffer", "_chunked", "_length", "_method", "_needed", "answer")

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = bytearray()
        self._body = bytearray()
        self._chunked = False
        self._length: int | None = None
        # So many bytes must be there before looking again is worth it.
        self._needed = 0
        self.answer = Answer()

    def feed(self, data: bytes) -> bool:
        """Take what has come; returns whether the answer is whole. Raises Failure for what is no HTTP answer."""
        buffer = self._buffer
        buffer += data
        while not self.answer.status:
            if not self._read_head():
                return False
        if self._chunked:
            return len(buffer) >= self._needed and self._read_chunks()
        if self._length is None:
            if len(buffer) > LONGEST_ANSWER:
                raise Failure("too-long")
            return False
        if len(buffer) < self._length:
            return False
        return self._whole(bytes(buffer[: self._length]), len(buffer) - self._length)

    def end(self) -> bool:
        """The connection has ended: returns whether that makes the answer whole, else raises Failure('closed')."""
        if self.answer.status and not self._chunked and self._length is None:
            self.answer.body = bytes(self._buffer)
            return True
        raise Failure("closed")

    def _whole(self, body: bytes, excess: int) -> bool:
        if excess:
            # Nobody asked for it, and the next request on this connection would be given it for an answer.
            raise Failure("not-http")
        self.answer.body = body
        return True

    def _read_head(self) -> bool:
        """Take a head from the buffer; returns whether one was there. An interim answer (1xx) leaves no trace."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > LONGEST_HEAD:
            if len(self._buffer) > LONGEST_HEAD:
                raise Failure("not-http")
            return False
        status_line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        found = _STATUS_LINE.fullmatch(status_line)
        if not found:
            raise Failure("not-http")
        status = int(found[2])
        if status < 200:
            return True
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            name, value = name.lower(), value.strip()
            # Two lengths that differ: nobody knows where the answer ends.
            if not colon or (name == "content-length" and headers.get(name, value) != value):
                raise Failure("not-http")
            headers[name] = value
        self.answer.status, self.answer.headers = status, headers
        self._frame(found[1] == "1")
        return True

    def _frame(self, persistent: bool) -> None:
        """Where the body ends, by RFC 9112 section 6.3."""
        headers = self.answer.headers
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if self._method == "HEAD" or self.answer.status in (204, 304):
            self._length = 0
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise Failure("not-http")
            self._chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdecimal()):
                raise Failure("not-http")
            self._length = int(length)
            if self._length > LONGEST_ANSWER:
                raise Failure("too-long")
        ends = self._chunked or self._length is not None
        self.answer.reusable = ends and persistent and headers.get("connection", "").lower() != "close"

    def _read_chunks(self) -> bool:
        """Take the chunks that are whole; returns whether the last one was among them."""
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n")
            if end < 0:
                if len(buffer) > LONGEST_HEAD:
                    raise Failure("not-http")
                return False
            found = _CHUNK_SIZE.fullmatch(buffer[:end])
            if not found:
                raise Failure("not-http")
            size = int(found[1], 16)
            if len(self._body) + size > LONGEST_ANSWER:
                raise Failure("too-long")
            begin = end + 2
            if size == 0:
                # Trailers may follow; they are not looked at.
                last = buffer.find(b"\r\n\r\n", end)
                return last >= 0 and self._whole(bytes(self._body), len(buffer) - last - 4)
            if len(buffer) < begin + size + 2:
                self._needed = begin + size + 2
                return False
            if buffer[begin + size : begin + size + 2] != b"\r\n":
                raise Failure("not-http")
            self._body += buffer[begin : begin + size]
            del buffer[: begin + size + 2]
            self._needed = 0
