"""The way in: bytes come from a client until a request is complete, its body included.

What a request is, the head decides (requests/heads.py). gunicorn's parser is asked only once everything that it will
want to read is there, so that it never waits for a client.
"""

from __future__ import annotations

import io
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.body import Body, ChunkedReader

from nodrop.config.types import show_size
from nodrop.http.answers.refusals import Refusal
from nodrop.http.connection.chunked import MEAN_CHUNK_BYTES, ChunkScanner
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.speed import Speed
from nodrop.http.connection.spool import IN_MEMORY, Budget, BudgetExceeded, Spool, Spooled
from nodrop.http.requests import rules
from nodrop.http.requests.heads import Heads
from nodrop.http.requests.ordinary import OrdinaryRequest

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection
    from nodrop.http.connection.loop_services import LoopServices

DECODE_BYTES = 64 * 1024
_NO_ROOM = Budget(0)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Incoming:
    """The requests of a connection, one after the other.

    The loop calls `receive` and `discard`, the thread that has the request `decode_chunks` and `finish`.
    """

    def __init__(self, connection: Connection, heads: Heads, services: LoopServices, limits: Limits) -> None:
        self.request: Any = None
        """gunicorn's request, or one that is like it, once its head is complete."""
        self.in_body = False
        """The head is complete, and its body is not."""
        self.wants_continue = False
        """The client waits to be told to send the body."""
        self.room = _NO_ROOM
        """Where the body is kept."""
        self.speed = Speed(0)
        """How fast the body comes."""
        self._connection = connection
        self._heads = heads
        self._services = services
        self._limits = limits
        self._waiting = bytearray()
        """What is not known to belong to a request yet."""
        self._body: Spool | None = None
        """What belongs to the request that came last, unless all of it was there with the head."""
        self._number = 0
        """Of the request, from 1."""
        self._searched = 0
        self._missing = 0
        """Bytes of a body of known length that are still to come."""
        self._chunks: ChunkScanner | None = None

    @property
    def empty(self) -> bool:
        """Nothing of a request has come yet."""
        return not self.in_body and not self._waiting

    @property
    def chunked(self) -> bool:
        """The request's body is chunked."""
        return self._chunks is not None

    def receive(self, data: bytes) -> bool:
        """Take what the client has sent, b"" to look again at what it has; whether a request is complete.

        Raises Refusal.
        """
        complete = self._receive_body(data) if self.in_body else self._receive_head(data)
        if complete:
            self.in_body = False
        return complete

    def _receive_head(self, data: bytes) -> bool:
        head: bytes | bytearray = data
        if self._waiting:
            self._waiting += data
            head = self._waiting
        elif not data:
            return False
        end = head.find(b"\r\n\r\n", max(0, self._searched - 3))
        if (end if end >= 0 else len(head)) > self._limits.head:
            detail = f"request line and headers exceed {self._limits.head} bytes"
            why = f"request line and headers exceed MAX_HEADER_BYTES={show_size(self._limits.head)}"
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail, why=why)
        # The parser knows at once that anything else can't become a request; why wait for the rest?
        if end < 0 and (head[0] in _TOKEN or head.startswith(b"\r")) and head.count(b"\n") == head.count(b"\r\n"):
            self._searched = len(head)
            if head is data:
                self._waiting += data
            return False
        if head is not data:
            data = bytes(head)
            self._waiting.clear()
            self._searched = 0
        return self._parse(data, end)

    def _parse(self, data: bytes, end: int) -> bool:
        """Parse the head that these bytes begin with; whether the request is complete. end: where its empty line is."""
        client = self._connection.client
        self._number += 1
        request = self._heads.ordinary(data[:end], client, self._number) if end >= 0 else None
        if request is not None:
            return self._begin_ordinary(request, data[end + 4 :])
        return self._begin(*self._heads.parse(data, client, self._number))

    def _begin_ordinary(self, request: OrdinaryRequest, rest: bytes) -> bool:
        """Take the body of such a request; whether it is complete. rest: what follows its head."""
        self.request = request
        size = int(request.variables.get("CONTENT_LENGTH", 0))
        if size > self._limits.body:
            raise self._too_large()
        if size <= len(rest) and size <= IN_MEMORY:
            request.body = io.BytesIO(rest[:size])
            self._waiting += rest[size:]
            return True
        self._missing = size
        body = self._begin_body()
        request.body = Body(Spooled(body))
        return self._receive_body(rest)

    def _begin(self, request: Any, rest: bytes) -> bool:
        """Take the body of a request that gunicorn's parser has read; whether it is complete."""
        self.request = request
        # Told by the loop, if the body is still to come; gunicorn would tell it again when it is here.
        self.wants_continue = request._expected_100_continue
        request._expected_100_continue = False
        rules.check_transfer_codings(request)
        reader = request.body.reader
        self._chunks = ChunkScanner(self._limits.head) if isinstance(reader, ChunkedReader) else None
        self._missing = 0 if self._chunks else reader.length
        if self._missing > self._limits.body:
            raise self._too_large()
        rules.check(request)
        request.unreader.sock = self._begin_body()
        return self._receive_body(rest)

    def _begin_body(self) -> Spool:
        self.in_body = True
        self.speed = Speed(time.monotonic())
        self.room = self._services.room_for_body(self._connection, self.request) if self._may_need_room() else _NO_ROOM
        self._body = Spool(self.room)
        return self._body

    def _may_need_room(self) -> bool:
        return self._chunks is not None or self._missing > IN_MEMORY

    @property
    def kept(self) -> int:
        """Bytes of room that the body takes up."""
        return self._body.held if self._body else 0

    def _receive_body(self, data: bytes) -> bool:
        size = self._chunks.feed(data) if self._chunks else min(len(data), self._missing)
        if self._chunks and self._chunks.body_bytes > self._limits.body:
            raise self._too_large()
        if self._chunks and self._chunks.too_many:
            detail = f"too many small chunks: they have to carry {MEAN_CHUNK_BYTES} bytes on average"
            raise Refusal(HTTPStatus.BAD_REQUEST, detail, self.request)
        if self._chunks and self._chunks.malformed:
            raise Refusal(HTTPStatus.BAD_REQUEST, "malformed chunks, or too much framing for the body", self.request)
        self._keep(data[:size])
        # What follows is the next request's.
        self._waiting += data[size:]
        if self._chunks:
            return self._chunks.complete
        self._missing -= size
        return not self._missing

    def _keep(self, data: bytes) -> None:
        assert self._body is not None
        self.speed.add(len(data), time.monotonic())
        while True:
            try:
                self._body.append(data)
            except BudgetExceeded as exceeded:
                self._services.give_way(self._connection, exceeded)
            except OSError as error:
                raise self._no_room(error) from error
            else:
                return

    def _no_room(self, error: OSError) -> Refusal:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no room for the body", self.request, why=str(error))

    def too_slow(self, exceeded: BudgetExceeded, which: str) -> Refusal:
        """Why the request gives way to others, of which it is `which`, such as `the slowest`."""
        detail = "too many bodies are arriving at once"
        speed = self.speed.at(time.monotonic()) / 1024
        why = f"{detail} for BODY_BUFFER_BYTES ({exceeded}), and this one is {which}, at {speed:.1f} KiB/s"
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, self.request, why=why)

    def _too_large(self) -> Refusal:
        detail = f"the body exceeds {self._limits.body} bytes"
        why = f"the body exceeds MAX_BODY_BYTES={show_size(self._limits.body)}"
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, self.request, why=why)

    def decode_chunks(self, progressed: Any) -> Spool:
        """Decode a chunked body, calling `progressed` now and then; the parser finds all it asks for. Raises Refusal.

        What it decodes to is shorter than what has been read, and takes its place: it needs no room of its own.
        """
        body = self._body
        assert body is not None
        try:
            while data := self.request.body.read(DECODE_BYTES):
                progressed()
                try:
                    body.overwrite(data)
                except OSError as error:
                    raise self._no_room(error) from error
            return body.take_overwritten()
        except (errors.ParseException, errors.NoMoreData) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error) or "incomplete body", self.request) from error

    def finish(self) -> bool:
        """Drop what the application has left of the body; whether the next request can follow."""
        request, self.request = self.request, None
        body, self._body = self._body, None
        if body is None:
            return True
        body.clear()
        chunked, self._chunks = self._chunks is not None, None
        # Reading has failed: where the body ends is not known.
        if request.body.failed:
            return False
        if chunked:
            # Decoded to its end, so that what the parser has read beyond it is what follows.
            self._waiting[:0] = request.unreader.take_buffered()
        return True

    def discard(self) -> None:
        """Forget what has come; nothing more is accepted from the client."""
        self._waiting.clear()
        self.clear()

    def clear(self) -> None:
        """Free the room of the body."""
        if self._body is not None:
            self._body.clear()
