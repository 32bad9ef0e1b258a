"""Tells when a request's body has arrived in full, without decoding it.

gunicorn's parser decides what a request is. This only tells when it can be asked to, so that it never has to wait for a
client: a mistake here makes a request wait or be refused, but can't change where it ends.
"""

from __future__ import annotations

from enum import Enum, auto

MAX_SIZE_LINE = 1024
"""Bytes of a chunk's size line; extensions, which nobody uses, are what could make it long."""


MAX_OVERHEAD = 64 * 1024
"""Bytes of framing, beyond one for each byte of the body, that are followed. Chunks of a byte each cost more to decode
than anybody has a reason to ask for."""


FREE_CHUNKS = 16 * 1024
MEAN_CHUNK_BYTES = 256
"""What each chunk beyond the first FREE_CHUNKS has to carry on average. Each costs some microseconds of the loop and of
the thread that decodes it, however little it carries."""


class _Part(Enum):
    SIZE = auto()
    DATA = auto()
    TRAILER = auto()
    END = auto()


_HEX = b"0123456789abcdefABCDEF"


class ChunkScanner:
    """Follows a chunked body (RFC 9112, section 7.1) to its end."""

    def __init__(self, max_trailer: int) -> None:
        """max_trailer: bytes of the trailer section."""
        self._part = _Part.SIZE
        self._line = bytearray()
        self._left = 0
        self._trailer_left = max_trailer
        self._fed = 0
        self.body_bytes = 0
        """Bytes of the body that the sizes read so far announce."""
        self.chunks = 0
        self.too_many = False
        """It consists of too many small chunks."""
        self.malformed = False
        """It can't be followed any further: the parser, asked now, refuses it."""

    @property
    def complete(self) -> bool:
        """The body has ended, or can't be followed any further."""
        return self._part is _Part.END or self.malformed or self.too_many

    def feed(self, data: bytes) -> int:
        """Look at the next bytes; how many of them belong to the body and its framing."""
        at = 0
        while at < len(data) and not self.complete:
            if self._part is _Part.DATA:
                step = min(self._left, len(data) - at)
                at += step
                self._left -= step
                if not self._left:
                    self._part = _Part.SIZE
                    at = self._skip_whole_chunks(data, at)
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            at = end + 1 if end >= 0 else len(data)
            limit = MAX_SIZE_LINE if self._part is _Part.SIZE else self._trailer_left
            if len(self._line) > limit or self._fed + at > 2 * self.body_bytes + MAX_OVERHEAD:
                self.malformed = True
            elif end >= 0:
                self._line_ended()
        self._fed += at
        return at

    def _skip_whole_chunks(self, data: bytes, at: int) -> int:
        """Skip the chunks that are there in full and have nothing special, as fast as can be; where they end."""
        while (end := data.find(b"\r\n", at, at + 10)) > at:
            digits = data[at:end]
            # What else int() takes, or anything beside digits, is looked at with more care.
            if digits.strip(_HEX):
                break
            size = int(digits, 16)
            after = end + size + 4
            if not size or after > len(data):
                break
            self._count(size)
            at = after
        return at

    def _count(self, size: int) -> None:
        self.chunks += 1
        self.body_bytes += size
        self.too_many = self.chunks > FREE_CHUNKS + self.body_bytes // MEAN_CHUNK_BYTES

    def _line_ended(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r"):
            self.malformed = True
        elif self._part is _Part.TRAILER:
            self._trailer_left -= len(line)
            if line == b"\r":
                self._part = _Part.END
        else:
            self._size_ended(line[:-1].partition(b";")[0].rstrip(b" \t"))

    def _size_ended(self, digits: bytes) -> None:
        # int() would take a sign, underscores and spaces too.
        if not digits or len(digits) > 16 or digits.strip(_HEX):
            self.malformed = True
            return
        size = int(digits, 16)
        self._count(size)
        # The line end that follows the data is data here too.
        self._left = size + 2
        self._part = _Part.DATA if size else _Part.TRAILER
