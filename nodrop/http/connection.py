"""One client's connection: a request comes in until it is complete, an answer goes out as fast as the client takes it.

Nothing here waits for a client but `Connection.sendall`, and that only when an answer is larger than what may be kept.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from nodrop.http.chunked import ChunkScanner
from nodrop.http.spool import Budget, BudgetExceeded, Spool

RECEIVE_BYTES = 64 * 1024
PATIENCE_SECONDS = 0.01
"""What a thread waits for a client in all, in one answer, before it leaves the rest to the loop. Enough for any client
that is not slow, and so little that a hundred slow ones can't hold the threads for long."""
MAX_FLUSH = 1024 * 1024
"""Bytes that the loop sends to one client before it looks after the others."""
MAX_PIECE = 256 * 1024
"""Bytes that are written to a file at once, for which the loop may have to wait."""
MAX_BEHIND = 16 * 1024 * 1024
"""Bytes of one answer that may wait for a slow client; then the thread that makes more of it has to wait too."""

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Refusal(Exception):
    """The request can't be accepted; the connection is closed after the answer. `request` is there if it was parsed."""

    def __init__(self, status: HTTPStatus, detail: str, request: Any = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.request = request


class Stage(Enum):
    """What is being waited for."""

    HEAD = auto()
    """A request, of which nothing may have come yet."""
    BODY = auto()
    """The rest of a request's body."""
    APPLICATION = auto()
    """The application's answer."""
    CLIENT = auto()
    """The client, to take the rest of its answer."""
    END = auto()
    """The client, to close a connection that is closed on this side."""


class ClientGone(ConnectionError):
    """The client has closed the connection, or was cut off."""


class Incoming:
    """What came in and was not parsed yet: the source that gunicorn's parser reads from.

    `head` has what is not known to belong to a request yet, `body` what belongs to the one that was parsed last. The
    parser never gets to read beyond that.
    """

    def __init__(self, budget: Budget) -> None:
        self.head = bytearray()
        self.body = Spool(budget)
        self.parsing = False

    def recv(self, size: int) -> bytes:
        """The next bytes; b"" when there are none."""
        if not self.parsing:
            return self.body.recv(size)
        data = bytes(self.head[:size])
        del self.head[:size]
        return data


_ASKING = frozenset({"getpeername", "getsockname", "getsockopt", "family", "type", "proto"})


class TakenOver:
    """The socket, for an application that takes the connection over, such as for a WebSocket.

    From its first use on, other than to ask about it, it waits for the client as the application asks it to, and
    nothing else is sent or read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in _ASKING:
            self._connection.take_over()
        return getattr(self._connection.sock, name)


class Connection:
    """The state of one connection. The loop calls all of it but `sendall`, which the application's threads call."""

    def __init__(
        self,
        sock: socket.socket,
        client: Any,
        server: Any,
        *,
        cfg: Any,
        bodies: Budget,
        answers: Budget,
        limits: Limits,
    ) -> None:
        """client, server: the addresses of both ends. cfg: gunicorn's configuration. bodies, answers: room for them."""
        self.sock = sock
        self.client = client
        self.server = server
        self.stage = Stage.HEAD
        self.deadline = 0.0
        """When the loop loses patience with the client, by time.monotonic(); infinite while it is not waited for."""
        self.since = 0.0
        """When the wait for the client began, or when it last took something of its answer."""
        self.watched = 0
        """The events that the loop waits for."""
        self.request: Any = None
        self.handed_over = 0.0
        """When the request was complete and began to wait for a thread, by time.monotonic()."""
        self.wants_continue = False
        """The client waits to be told to send the body."""
        self.keep = False
        """Whether another request may follow the answer that is being sent."""
        self.broken = False
        """Nothing can be sent any more."""
        self.taken_over = False
        """The application does with the socket what it likes."""
        self._limits = limits
        self._incoming = Incoming(bodies)
        self._parser = RequestParser(cfg, self._incoming, client)
        self._searched = 0
        self._missing = 0
        """Bytes of a body of known length that are still to come."""
        self._chunks: ChunkScanner | None = None
        self._outgoing = Spool(answers)
        self._most_behind = min(MAX_BEHIND, answers.limit // 2)
        self._sending = threading.Condition()
        self._patience = PATIENCE_SECONDS
        self.exempt: Callable[[], None] = lambda: None
        """Called by a thread whose request may make no progress from now on."""
        self.call_loop: Callable[[], None] = lambda: None
        """Called by a thread that has left something to be sent by the loop."""
        self.no_room: Callable[[int], None] = lambda _: None
        """Called by a thread that can't leave so many bytes, since the room for answers is taken."""
        self.progressed: Callable[[], None] = lambda: None
        """Called by a thread when it has read or written something, or waits for the client to take something."""

    # --- In ----------------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing of a request has come yet."""
        return self.stage is Stage.HEAD and not self._incoming.head

    def receive(self, data: bytes) -> bool:
        """Take what the client has sent; whether a request is complete. Raises Refusal."""
        if self.stage is Stage.BODY:
            return self._receive_body(data)
        self._incoming.head += data
        return self.advance()

    def advance(self) -> bool:
        """Whether a request is complete in what has come. Raises Refusal."""
        head = self._incoming.head
        if not head:
            return False
        end = head.find(b"\r\n\r\n", max(0, self._searched - 3))
        if (end if end >= 0 else len(head)) > self._limits.head:
            detail = f"request line and headers exceed {self._limits.head} bytes"
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        # The parser knows at once that anything else can't become a request; why wait for the rest?
        if end < 0 and (head[0] in _TOKEN or head.startswith(b"\r")) and head.count(b"\n") == head.count(b"\r\n"):
            self._searched = len(head)
            return False
        self._searched = 0
        return self._parse()

    def _parse(self) -> bool:
        self._incoming.parsing = True
        try:
            self.request = next(self._parser)
        except errors.NoMoreData as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "incomplete request") from error
        except errors.ParseException as error:
            # Some errors have the request here, for the access log; others have text.
            request = getattr(error, "req", None)
            raise Refusal(_status(error), str(error), request if isinstance(request, Request) else None) from error
        except StopIteration as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a request after the last one") from error
        finally:
            self._incoming.parsing = False
        # Told by the loop, if the body is still to come; gunicorn would tell it again when it is here.
        self.wants_continue = self.request._expected_100_continue
        self.request._expected_100_continue = False
        rest = self._parser.unreader.take_buffered() + bytes(self._incoming.head)
        self._incoming.head.clear()
        reader = self.request.body.reader
        codings = [value.lower() for name, value in self.request.headers if name == "TRANSFER-ENCODING"]
        if codings not in ([], ["chunked"]):
            # gunicorn lets compressed bodies through, as they are; nothing behind it would know.
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "only chunked is implemented as a transfer coding", self.request)
        self._chunks = ChunkScanner(self._limits.head) if isinstance(reader, ChunkedReader) else None
        self._missing = 0 if self._chunks else reader.length
        if self._missing > self._limits.body:
            raise self._too_large()
        self._heed_rules_of_http_1_1()
        self.stage = Stage.BODY
        return self._receive_body(rest)

    def _heed_rules_of_http_1_1(self) -> None:
        """What gunicorn's parser lets pass. Raises Refusal."""
        names = [name for name, _ in self.request.headers]
        if self.request.version >= (1, 1) and names.count("HOST") != 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a request of HTTP/1.1 has one Host header", self.request)
        # It is a list, of which gunicorn knows only the one that has nothing but `close`.
        options = ",".join(value for name, value in self.request.headers if name == "CONNECTION").lower().split(",")
        if "close" in (option.strip(" \t") for option in options):
            self.request.force_close()

    def _receive_body(self, data: bytes) -> bool:
        size = self._chunks.feed(data) if self._chunks else min(len(data), self._missing)
        if self._chunks and self._chunks.body_bytes > self._limits.body:
            raise self._too_large()
        if self._chunks and self._chunks.malformed:
            raise Refusal(HTTPStatus.BAD_REQUEST, "malformed chunks, or too much framing for the body", self.request)
        try:
            self._incoming.body.append(data[:size])
        except OSError as error:
            raise self._no_room(error) from error
        # What follows is the next request's.
        self._incoming.head += data[size:]
        if self._chunks:
            return self._chunks.complete
        self._missing -= size
        return not self._missing

    def _no_room(self, error: OSError) -> Refusal:
        detail = "too many bodies are arriving at once" if isinstance(error, BudgetExceeded) else "no room for the body"
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, self.request)

    def _too_large(self) -> Refusal:
        detail = f"the body exceeds {self._limits.body} bytes"
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, self.request)

    def decode_chunks(self) -> Spool:
        """Decode a chunked body. Called by a thread; the parser finds all it asks for. Raises Refusal.

        What it decodes to is shorter than what has been read, and takes its place: it needs no room of its own.
        """
        body = self._incoming.body
        try:
            while data := self.request.body.read(RECEIVE_BYTES):
                self.progressed()
                try:
                    body.overwrite(data)
                except OSError as error:
                    raise self._no_room(error) from error
            return body.take_overwritten()
        except (errors.ParseException, errors.NoMoreData) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error) or "incomplete body", self.request) from error

    def discard(self) -> None:
        """Forget what has come; nothing more is accepted from the client."""
        self._incoming.head.clear()
        self._incoming.body.clear()

    @property
    def chunked(self) -> bool:
        """The request's body is chunked."""
        return self._chunks is not None

    def finish_request(self) -> bool:
        """Drop what the application has left of the body; whether it ended where it should. Called by a thread."""
        self.request = None
        self._chunks = None
        if not self._parser.finish_body():
            return False
        rest = self._parser.unreader.take_buffered() + self._incoming.body.recv(RECEIVE_BYTES)
        self._incoming.body.clear()
        self._incoming.head[:0] = rest
        return True

    # --- Out ---------------------------------------------------------------------------------------------------------

    @property
    def behind(self) -> int:
        """Bytes that wait for the client."""
        return len(self._outgoing)

    def begin_answer(self) -> None:
        """An answer is about to be sent by a thread."""
        self._patience = PATIENCE_SECONDS

    def sendall(self, data: bytes) -> None:
        """Send `data`, or leave it to the loop. Raises ClientGone."""
        view = memoryview(data)
        # The loop sends only what was left to it, so that the two never send at once.
        if not self.behind:
            view = self._send_now(view)
        if view:
            self._leave_to_loop(view)
        self.progressed()

    def _send_now(self, view: memoryview) -> memoryview:
        """Send until patience with the client is used up; what is left."""
        while view:
            view = view[self._send(view) :]
            if view:
                if self._patience <= 0:
                    break
                began = time.monotonic()
                _wait_writable(self.sock, self._patience)
                self._patience -= time.monotonic() - began
        return view

    def _leave_to_loop(self, view: memoryview) -> None:
        """Keep `view` for the loop, waiting for room as long as the client is not cut off."""
        while view:
            kept, broken_disk = 0, False
            with self._sending:
                self._check()
                room = max(0, self._most_behind - self._outgoing.occupied)
                piece = view[: min(room, MAX_PIECE)]
                try:
                    self._outgoing.append(piece)
                    kept = len(piece)
                except BudgetExceeded:
                    # One that has something kept waits for its own client.
                    if not self.behind:
                        self.no_room(len(piece))
                except OSError:
                    broken_disk = not self.behind
                if not kept and not broken_disk:
                    self.call_loop()
                    # Without anything for the loop to send, nobody would wake this thread.
                    self._sending.wait(1 if self.behind else 0.05)
            view = view[kept:]
            self.progressed()
            if broken_disk:
                self._send_waiting(view)
                return
        self.call_loop()

    def _send_waiting(self, view: memoryview) -> None:
        """Send and hold the thread for as long as that takes, since nothing can be kept."""
        deadline = time.monotonic() + self._limits.write_seconds
        while view:
            if sent := self._send(view):
                view = view[sent:]
                deadline = time.monotonic() + self._limits.write_seconds
            elif time.monotonic() > deadline:
                raise ClientGone("the client takes nothing")
            else:
                _wait_writable(self.sock, 1)
            self.progressed()

    def _send(self, view: memoryview | bytes) -> int:
        """Send what the client takes at once; how many bytes. Raises ClientGone."""
        self._check()
        try:
            # Whatever an application that has taken the socket over has made of it.
            return self.sock.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGone(str(error)) from error

    def take_over(self) -> None:
        """The application uses the socket itself from now on. Called by a thread."""
        if not self.taken_over:
            self.taken_over = True
            self.sock.setblocking(True)
            self.exempt()

    def _check(self) -> None:
        if self.broken:
            raise ClientGone("the client is gone")

    def queue(self, data: bytes) -> None:
        """Have the loop send `data`, which is small."""
        with self._sending:
            self._outgoing.append(data)

    def flush(self) -> int:
        """Send what the client takes now; how many bytes. Raises ClientGone."""
        sent = 0
        with self._sending:
            while data := self._outgoing.peek(RECEIVE_BYTES):
                taken = self._send(data)
                self._outgoing.skip(taken)
                sent += taken
                # A fast client must not keep all others waiting while it takes a large answer.
                if taken < len(data) or sent >= MAX_FLUSH:
                    break
            if sent:
                self._sending.notify_all()
        return sent

    def receive_some(self) -> bytes | None:
        """What the client has sent; None if nothing, b"" if it has ended."""
        try:
            return self.sock.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def half_close(self) -> None:
        """Say that nothing follows, so that the client closes. Closing at once could reset what is still on its way."""
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End it under the hands of the thread that is sending, which gets ClientGone."""
        with self._sending:
            self.broken = True
            # The room is needed now, and the thread may take its time.
            self._outgoing.clear()
            self._sending.notify_all()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close, and free what is kept. Not while a thread has the connection."""
        self._outgoing.clear()
        self._incoming.body.clear()
        self.sock.close()


class Limits:
    """What a client may do."""

    def __init__(self, *, head: int, body: int, write_seconds: float) -> None:
        """head, body: bytes of a request. write_seconds: how long a client may take nothing of its answer."""
        self.head = head
        self.body = body
        self.write_seconds = write_seconds


def _status(error: Exception) -> HTTPStatus:
    """The status for what gunicorn's parser refuses; 400 for most."""
    if isinstance(error, errors.LimitRequestLine):
        return HTTPStatus.REQUEST_URI_TOO_LONG
    if isinstance(error, errors.LimitRequestHeaders):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if isinstance(error, errors.UnsupportedTransferCoding):
        return HTTPStatus.NOT_IMPLEMENTED
    if isinstance(error, errors.ExpectationFailed):
        return HTTPStatus.EXPECTATION_FAILED
    return HTTPStatus.BAD_REQUEST


def _wait_writable(sock: socket.socket, seconds: float) -> None:
    # poll(), since select() can't take descriptors from 1024 on.
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    poller.poll(seconds * 1000)
