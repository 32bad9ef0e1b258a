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

from app.serving.framing import ChunkScanner
from app.serving.spool import Budget, BudgetExceeded, Spool

RECEIVE_BYTES = 64 * 1024
PATIENCE_SECONDS = 0.01
"""What a thread waits for a client in all, in one answer, before it leaves the rest to the loop. Enough for any client
that is not slow, and so little that a hundred slow ones can't hold the threads for long."""
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


class Incoming:
    """What came in and was not parsed yet: the source that gunicorn's parser reads from."""

    def __init__(self, budget: Budget) -> None:
        self.head = bytearray()
        self.body = Spool(budget)

    def recv(self, size: int) -> bytes:
        """The next bytes, of the head first; b"" when there are none."""
        if self.head:
            data = bytes(self.head[:size])
            del self.head[:size]
            return data
        return self.body.recv(size)


class Connection:
    """The state of one connection. The loop calls all of it but `sendall`, which the application's threads call."""

    def __init__(
        self, sock: socket.socket, client: Any, server: Any, *, cfg: Any, budget: Budget, limits: Limits
    ) -> None:
        """sock: non-blocking. client, server: the addresses of both ends. cfg: gunicorn's configuration."""
        self.sock = sock
        self.client = client
        self.server = server
        self.stage = Stage.HEAD
        self.deadline = 0.0
        """When the loop closes the connection if nothing has happened, by time.monotonic()."""
        self.since = 0.0
        """When the wait for the client began."""
        self.watched = 0
        """The events that the loop waits for."""
        self.request: Any = None
        self.wants_continue = False
        """The client waits to be told to send the body."""
        self.keep = False
        """Whether another request may follow the answer that is being sent."""
        self.broken = False
        """Nothing can be sent any more."""
        self._limits = limits
        self._incoming = Incoming(budget)
        self._parser = RequestParser(cfg, self._incoming, client)
        self._searched = 0
        self._missing = 0
        self._chunks: ChunkScanner | None = None
        self._outgoing = Spool(budget)
        self._sending = threading.Condition()
        self._patience = PATIENCE_SECONDS
        self.call_loop: Callable[[], None] = lambda: None
        """Called by a thread that has left something to be sent by the loop."""
        self.progressed: Callable[[], None] = lambda: None
        """Called by a thread when the client has taken something."""

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
        # Told by the loop, if the body is still to come; gunicorn would tell it again when it is here.
        self.wants_continue = self.request._expected_100_continue
        self.request._expected_100_continue = False
        rest = self._parser.unreader.take_buffered() + bytes(self._incoming.head)
        self._incoming.head.clear()
        reader = self.request.body.reader
        if isinstance(reader, ChunkedReader):
            self._chunks = ChunkScanner(self._limits.head)
            self._missing = 1
        else:
            self._chunks = None
            self._missing = reader.length
            if self._missing > self._limits.body:
                raise self._too_large()
        self.stage = Stage.BODY
        return self._receive_body(rest, expected=0 if self._chunks else self._missing)

    def _receive_body(self, data: bytes, expected: int = 0) -> bool:
        try:
            self._incoming.body.expect(expected)
            self._incoming.body.append(data)
        except OSError as error:
            detail = (
                "too many bodies are arriving at once" if isinstance(error, BudgetExceeded) else "no room for the body"
            )
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, self.request) from error
        if self._chunks:
            self._chunks.feed(data)
            if self._chunks.body_bytes > self._limits.body:
                raise self._too_large()
            self._missing = 0 if self._chunks.complete else 1
        else:
            self._missing -= len(data)
        return self._missing <= 0

    def _too_large(self) -> Refusal:
        detail = f"the body exceeds {self._limits.body} bytes"
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, self.request)

    def decode_chunks(self, into: Spool) -> None:
        """Decode a chunked body. Called by a thread; the parser finds all it asks for. Raises Refusal."""
        try:
            while data := self.request.body.read(RECEIVE_BYTES):
                into.append(data)
        except (errors.ParseException, errors.NoMoreData) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error) or "incomplete body", self.request) from error

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
        self._incoming.head += rest
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
        """Send `data`, or leave it to the loop. Raises OSError when the client is gone."""
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
            self._check()
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                if self._patience <= 0:
                    break
                began = time.monotonic()
                _wait_writable(self.sock, self._patience)
                self._patience -= time.monotonic() - began
        return view

    def _leave_to_loop(self, view: memoryview) -> None:
        while view:
            with self._sending:
                self._check()
                try:
                    if self.behind and self.behind + len(view) > MAX_BEHIND:
                        raise BudgetExceeded("enough is kept for this client")
                    self._outgoing.append(view)
                    break
                except BudgetExceeded:
                    # Nobody would wake this thread when the loop has nothing of its own to send.
                    waits_for_loop = bool(self._outgoing)
                    if waits_for_loop:
                        self.call_loop()
                        self._sending.wait(1)
            if not waits_for_loop:
                view = self._send_waiting(view)
            self.progressed()
        self.call_loop()

    def _send_waiting(self, view: memoryview) -> memoryview:
        """Send a part and hold the thread for as long as that takes, since nothing may be kept; what is left."""
        deadline = time.monotonic() + self._limits.write_seconds
        while time.monotonic() < deadline:
            self._check()
            try:
                return view[self.sock.send(view) :]
            except BlockingIOError:
                _wait_writable(self.sock, 1)
        raise ConnectionResetError("the client takes nothing")

    def _check(self) -> None:
        if self.broken:
            raise ConnectionResetError("the client is gone")

    def queue(self, data: bytes) -> None:
        """Have the loop send `data`, which is small."""
        with self._sending:
            self._outgoing.append(data)

    def flush(self) -> int:
        """Send what the client takes now; how many bytes. Raises OSError when it is gone."""
        sent = 0
        with self._sending:
            try:
                while data := self._outgoing.peek(RECEIVE_BYTES):
                    taken = self.sock.send(data)
                    self._outgoing.skip(taken)
                    sent += taken
                    if taken < len(data):
                        break
            except BlockingIOError:
                pass
            if sent:
                self._sending.notify_all()
        return sent

    def half_close(self) -> None:
        """Say that nothing follows, so that the client closes. Closing at once could reset what is still on its way."""
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End it under the hands of the thread that is sending; it gets ConnectionResetError."""
        with self._sending:
            self.broken = True
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
