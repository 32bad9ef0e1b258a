"""What the application answers with: as gunicorn's response, with fewer surprises, and made with less."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

from nodrop.http.answers.head import Kind, check_value, date_line, encode, kinds, status_code
from nodrop.http.connection.outgoing import ClientGone
from nodrop.wsgi.problems import CONTENT_TYPE, problem_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nodrop.http.answers.files import FileBody
    from nodrop.http.connection.connection import Connection
    from nodrop.http.connection.outgoing import Outgoing

SMALL_FILE_BYTES = 64 * 1024
"""Files up to this size are read, and sent together with the head."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Requests that change nothing (RFC 9110, section 9.2.1): their answers may wait for a moment."""
_LENGTH = re.compile(r"[0-9]+", re.ASCII)
_log = logging.getLogger(__name__)


class MalformedAnswerError(ValueError):
    """What the application answers can't be sent: the client would not know where it ends."""


class Response:
    """An answer, whose head goes out with the first part of the body, and which doesn't name the server.

    Its names are those of gunicorn's response, which hooks know.
    """

    status: str | None = None
    status_code = 0
    response_length: int | None = None
    """The Content-Length."""
    chunked = False
    upgrade = False
    must_close = False
    headers_sent = False
    """The head is made; it goes out with what is sent next."""
    on_the_wire = False
    """Whether anything of it has been sent, so that nothing else can be answered any more."""
    sent = 0
    """Bytes of the body, without what frames it."""
    _head = b""
    _lines = b""
    """The application's headers, as they are sent."""
    _omits_body = False
    _warned = False

    def __init__(self, req: Any, sock: Connection) -> None:
        """req: the request, gunicorn's or one like it."""
        self.req = req
        self.sock = sock
        self.headers: list[tuple[str, str]] = []

    def force_close(self) -> None:
        """Have the connection closed after the answer."""
        self.must_close = True

    def should_close(self) -> bool:
        """Whether the connection is closed after the answer."""
        if self.must_close or self.req.should_close():
            return True
        return not (
            self.response_length is not None or self.chunked or self.req.method == "HEAD"
            or self.status_code < 200 or self.status_code in (204, 304)
        )  # fmt: skip

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        """As in WSGI. With `exc_info` what was begun before is forgotten, if nothing of it has been sent.

        Raises MalformedAnswerError.
        """
        if exc_info:
            if self.on_the_wire:
                raise exc_info[1].with_traceback(exc_info[2])
            self._forget()
        elif self.status is not None:
            raise AssertionError("Response headers already set!")
        if not isinstance(status, str):
            raise TypeError(f"{status!r} is not a string")
        code = status_code(status)
        omits = code in (204, 304) or code < 200 or self.req.method == "HEAD"
        self._take(headers, has_length=code != 204 and code >= 200)
        self.status, self.status_code, self._omits_body = status, code, omits
        self.chunked = self.response_length is None and self.req.version > (1, 0) and not omits
        return self.write

    def _take(self, headers: Iterable[tuple[str, str]], *, has_length: bool) -> None:
        """Take the headers that the application has a say in. has_length: the answer may have a Content-Length."""
        kept = []
        lengths = []
        upgrade = False
        for name, value in headers:
            kind = kinds[name]
            if not kind and isinstance(value, str):
                kept.append((name, value.strip(" \t")))
                continue
            check_value(name, value)
            stripped = value.strip(" \t")
            if kind is Kind.LENGTH:
                lengths.append(stripped)
                if has_length and len(lengths) == 1:
                    kept.append((name, stripped))
            elif kind is Kind.CONNECTION:
                upgrade = upgrade or stripped.lower() == "upgrade"
            elif kind is Kind.UPGRADE and stripped.lower() == "websocket":
                kept.append((name, stripped))
        self.response_length = _one_length(lengths) if lengths else None
        self._lines = encode(kept)
        self.headers, self.upgrade = kept, upgrade

    def _forget(self) -> None:
        self.headers, self.status, self.response_length, self.sent = [], None, None, 0
        self.headers_sent, self.upgrade, self._head = False, False, b""

    def send_headers(self) -> None:
        """Put the head in front of what is sent next."""
        if self.headers_sent:
            return
        if self.status is None:
            raise RuntimeError("the application has not called start_response")
        if 100 <= self.status_code < 200 and not self.sock.taken_over:
            # The client would wait for the answer that follows, and take the next request's for it.
            raise MalformedAnswerError(
                f"the application answered {self.status!r}, which is no final answer, and has not taken over the "
                "connection: use a status of 200 or above"
            )
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        framing = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
        # The version is the server's own, whatever the request had after `HTTP/1.` (RFC 9110, section 6.2).
        begins = f"HTTP/1.1 {self.status}\r\n{date_line()}Connection: {connection}\r\n{framing}"
        self._head = b"%b%b\r\n" % (begins.encode("latin-1"), self._lines)
        self.headers_sent = True
        self.sock.outgoing.is_event_stream = b"Content-Type: text/event-stream" in self._lines

    def send_early_hints(self, headers: Iterable[tuple[str | bytes, str | bytes]]) -> None:
        """`wsgi.early_hints`: send a 103 with these headers, to clients that know it, before the answer begins."""
        if self.headers_sent or self.req.version < (1, 1):
            return
        named = [(_text(name), _text(value).strip(" \t")) for name, value in headers]
        for name, _ in named:
            kinds[name]  # raises
        self.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % encode(named))

    def write(self, data: bytes) -> None:
        """Send a part of the body, no more of it than the Content-Length says."""
        self.send_headers()
        if not isinstance(data, bytes):
            raise TypeError(f"{data!r} is not a byte")
        if self._omits_body:
            self._warn_of_body(data)
            return
        if self.response_length is not None:
            left = self.response_length - self.sent
            if left <= 0:
                return
            if len(data) > left:
                data = data[:left]
        elif self.chunked and not data:
            # An empty chunk would be the last.
            return
        self.sent += len(data)
        if self.chunked:
            self._send(b"%X\r\n%b\r\n" % (len(data), data))
        else:
            self._send(data, last=self.sent == self.response_length)

    def _warn_of_body(self, data: bytes) -> None:
        if data and not self._warned:
            self._warned = True
            _log.warning(
                "the body of the answer to %s is not sent: an answer of %s has none", self.req.method, self.status_code
            )

    def _send(self, data: bytes, *, last: bool = False) -> None:
        head, self._head = self._head, b""
        self.on_the_wire = True
        if head:
            data = head + data
        if last and self.req.method in SAFE_METHODS:
            self.sock.send_last(data)
        else:
            self.sock.sendall(data)

    def send_file(self, body: FileBody, outgoing: Outgoing) -> bool | None:
        """Have the kernel send the file, if it can; whether all of it was sent, None if nothing was.

        The loop sends the rest. What was sent counts in `outgoing.file_sent`.
        """
        if self._omits_body:
            self.close()
            return True
        length = self.response_length
        if length is None or self.chunked or (part := body.part(length)) is None:
            return None
        file, offset, size = part
        if size < length:
            # Kept, the connection would have the next answer taken for the rest of this one.
            self.force_close()
            _log.error("the file is %d bytes shorter than its Content-Length", length - size)
        if size <= SMALL_FILE_BYTES:
            self.write(os.pread(file, size, offset))
            return True
        self.send_headers()
        if self._head:
            self._send(b"")
        try:
            return outgoing.send_file(file, offset, size)
        except ClientGone:
            raise
        except OSError:
            # Not from this file system.
            return None

    def close(self) -> None:
        """End the answer."""
        self.send_headers()
        if self.chunked or self._head:
            self._send(b"0\r\n\r\n" if self.chunked else b"", last=True)
        if self.response_length is not None and not self._omits_body and self.sent < self.response_length:
            # Kept, the connection would have the next answer taken for the rest of this one.
            self.force_close()
            _log.error("the answer ended %d bytes before its Content-Length", self.response_length - self.sent)

    def answer_error(self, environ: dict[str, Any], headers: list[tuple[str, str]]) -> None:
        """Answer 500 in place of what the application has begun, of which nothing has been sent.

        headers: added to those of the problem.
        """
        request_id = environ.get("nodrop.request_id", "")
        body = problem_body(500, "Internal Server Error", "the application failed", request_id)
        self._forget()
        headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), *headers]
        headers += [("X-Request-ID", request_id)] if request_id else []
        self.start_response("500 Internal Server Error", headers)
        self.force_close()
        if environ.get("REQUEST_METHOD") != "HEAD":
            self.write(body)
        self.close()


def _text(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


def _one_length(lengths: list[str]) -> int:
    """The one Content-Length that the application has given. Raises MalformedAnswerError.

    Several that differ, or `-5`, `+5` and `0_5`, a proxy reads in its own way, and takes the next client's answer for
    the rest of this one.
    """
    if not _LENGTH.fullmatch(lengths[0]) or set(lengths) != {lengths[0]}:
        raise MalformedAnswerError(
            f"the application sent Content-Length: {' and '.join(map(repr, lengths))}: it has to be one number, in "
            "digits alone"
        )
    return int(lengths[0])
