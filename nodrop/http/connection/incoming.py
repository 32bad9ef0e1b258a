"""The way in: bytes come from a client until a request is complete, its body included.

gunicorn's parser decides what a request is. It is asked only once everything that it will want to read is there, so
that it never waits for a client.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from nodrop.config.types import show_size
from nodrop.http import rules
from nodrop.http.answers.refusals import Refusal, status_of
from nodrop.http.connection.chunked import MEAN_CHUNK_BYTES, ChunkScanner
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.speed import Speed
from nodrop.http.connection.spool import IN_MEMORY, Budget, BudgetExceeded, Spool

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection
    from nodrop.http.connection.loop_services import LoopServices

DECODE_BYTES = 64 * 1024
_NO_ROOM = Budget(0)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class _Source:
    """What came in and was not parsed yet: the source that gunicorn's parser reads from.

    `head` has what is not known to belong to a request yet, `body` what belongs to the one that was parsed last. The
    parser never gets to read beyond that.
    """

    def __init__(self) -> None:
        self.head = bytearray()
        self.body = Spool(_NO_ROOM)
        self.parsing = False

    def recv(self, size: int) -> bytes:
        """The next bytes; b"" when there are none."""
        if not self.parsing:
            return self.body.recv(size)
        data = bytes(self.head[:size])
        del self.head[:size]
        return data


class Incoming:
    """The requests of a connection, one after the other.

    The loop calls `receive` and `discard`, the thread that has the request `decode_chunks` and `finish`.
    """

    def __init__(self, connection: Connection, cfg: Any, services: LoopServices, limits: Limits) -> None:
        """cfg: gunicorn's configuration."""
        self.request: Any = None
        """gunicorn's request, once its head is complete."""
        self.in_body = False
        """The head is complete, and its body is not."""
        self.wants_continue = False
        """The client waits to be told to send the body."""
        self.room = _NO_ROOM
        """Where the body is kept."""
        self.speed = Speed(0)
        """How fast the body comes."""
        self._connection = connection
        self._services = services
        self._limits = limits
        self._source = _Source()
        self._parser = RequestParser(cfg, self._source, connection.client)
        self._searched = 0
        self._missing = 0
        """Bytes of a body of known length that are still to come."""
        self._chunks: ChunkScanner | None = None

    @property
    def empty(self) -> bool:
        """Nothing of a request has come yet."""
        return not self.in_body and not self._source.head

    @property
    def chunked(self) -> bool:
        """The request's body is chunked."""
        return self._chunks is not None

    def receive(self, data: bytes) -> bool:
        """Take what the client has sent, b"" to look again at what it has; whether a request is complete.

        Raises Refusal.
        """
        if self.in_body:
            complete = self._receive_body(data)
        else:
            self._source.head += data
            complete = self._look_for_head()
        if complete:
            self.in_body = False
        return complete

    def _look_for_head(self) -> bool:
        head = self._source.head
        if not head:
            return False
        end = head.find(b"\r\n\r\n", max(0, self._searched - 3))
        if (end if end >= 0 else len(head)) > self._limits.head:
            detail = f"request line and headers exceed {self._limits.head} bytes"
            why = f"request line and headers exceed MAX_HEADER_BYTES={show_size(self._limits.head)}"
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail, why=why)
        # The parser knows at once that anything else can't become a request; why wait for the rest?
        if end < 0 and (head[0] in _TOKEN or head.startswith(b"\r")) and head.count(b"\n") == head.count(b"\r\n"):
            self._searched = len(head)
            return False
        self._searched = 0
        return self._parse()

    def _parse(self) -> bool:
        self._source.parsing = True
        try:
            self.request = next(self._parser)
        except errors.NoMoreData as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "incomplete request") from error
        except errors.ParseException as error:
            # Some errors have the request here, for the access log; others have text.
            request = getattr(error, "req", None)
            raise Refusal(status_of(error), str(error), request if isinstance(request, Request) else None) from error
        except StopIteration as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a request after the last one") from error
        finally:
            self._source.parsing = False
        # Told by the loop, if the body is still to come; gunicorn would tell it again when it is here.
        self.wants_continue = self.request._expected_100_continue
        self.request._expected_100_continue = False
        rest = self._parser.unreader.take_buffered() + bytes(self._source.head)
        self._source.head.clear()
        rules.check_transfer_codings(self.request)
        reader = self.request.body.reader
        self._chunks = ChunkScanner(self._limits.head) if isinstance(reader, ChunkedReader) else None
        self._missing = 0 if self._chunks else reader.length
        if self._missing > self._limits.body:
            raise self._too_large()
        rules.check(self.request)
        self.in_body = True
        self.speed = Speed(time.monotonic())
        self.room = self._services.room_for_body(self._connection, self.request) if self._may_need_room() else _NO_ROOM
        self._source.body = Spool(self.room)
        return self._receive_body(rest)

    def _may_need_room(self) -> bool:
        return self._chunks is not None or self._missing > IN_MEMORY

    @property
    def kept(self) -> int:
        """Bytes of room that the body takes up."""
        return self._source.body.held

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
        self._source.head += data[size:]
        if self._chunks:
            return self._chunks.complete
        self._missing -= size
        return not self._missing

    def _keep(self, data: bytes) -> None:
        self.speed.add(len(data), time.monotonic())
        while True:
            try:
                self._source.body.append(data)
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
        body = self._source.body
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
        chunked, self._chunks = self._chunks is not None, None
        # Reading has failed: where the body ends is not known.
        if request.body.failed:
            return False
        # The parser would read what is left, a KiB at a time. All of it is here, and nothing else is.
        rest = self._parser.unreader.take_buffered()
        self._parser.mesg = None
        self._source.body.clear()
        if chunked:
            # Decoded to its end, so that this is what follows it.
            self._source.head[:0] = rest
        return True

    def discard(self) -> None:
        """Forget what has come; nothing more is accepted from the client."""
        self._source.head.clear()
        self.clear()

    def clear(self) -> None:
        """Free the room of the body."""
        self._source.body.clear()
