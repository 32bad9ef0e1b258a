"""What the application answers with: gunicorn's own, with fewer surprises. And a decoded body, for gunicorn to read."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

from gunicorn.http.wsgi import Response as GunicornResponse

from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.connection.spool import Spool
from nodrop.wsgi.problems import CONTENT_TYPE, problem_body

if TYPE_CHECKING:
    from nodrop.http.answers.files import FileBody
    from nodrop.http.connection.outgoing import Outgoing

SMALL_FILE_BYTES = 64 * 1024
"""Files up to this size are read, and sent together with the head."""
_LENGTH = re.compile(r"[0-9]+", re.ASCII)
_log = logging.getLogger(__name__)


class MalformedAnswerError(ValueError):
    """What the application answers can't be sent: the client would not know where it ends."""


class Response(GunicornResponse):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's response, whose head goes out with the first part of the body, and which doesn't name the server."""

    _head = b""
    headers_sent: bool
    headers: list[tuple[str, str]]
    status: str | None
    on_the_wire = False
    """Whether anything of it has been sent, so that nothing else can be answered any more."""

    def default_headers(self) -> list[str]:
        """The status line and the headers that the server adds."""
        _, *lines = super().default_headers()
        # The version is the server's own, whatever the request had after `HTTP/1.` (RFC 9110, section 6.2).
        return [f"HTTP/1.1 {self.status}\r\n", *(line for line in lines if not line.startswith("Server:"))]

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """As in WSGI. With `exc_info` what was begun before is forgotten, if nothing of it has been sent.

        Raises MalformedAnswerError.
        """
        if exc_info and not self.on_the_wire:
            self._forget()
        return super().start_response(status, _with_one_length(headers), exc_info)

    def _forget(self) -> None:
        self.headers, self.status, self.response_length, self.sent = [], None, None, 0
        self.headers_sent, self.upgrade, self._head = False, False, b""

    def send_headers(self) -> None:
        """Put the head in front of what is sent next."""
        if self.status is None:
            raise RuntimeError("the application has not called start_response")
        if 100 <= self.status_code < 200 and not self.sock.taken_over:
            # The client would wait for the answer that follows, and take the next request's for it.
            raise MalformedAnswerError(
                f"the application answered {self.status!r}, which is no final answer, and has not taken over the "
                "connection: use a status of 200 or above"
            )
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        self.on_the_wire = True
        self.sock.sendall(head + data if head else data)

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
            self._send(b"0\r\n\r\n" if self.chunked else b"")
        if not self._omits_body and self.response_length is not None and self.sent < self.response_length:
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


def _with_one_length(headers: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The headers with their Content-Length once. Raises MalformedAnswerError.

    gunicorn would pass on several that differ, or `-5`, `+5` and `0_5`. A proxy reads them in its own way, and takes
    the next client's answer for the rest of this one.
    """
    lengths = [value for name, value in headers if isinstance(name, str) and name.lower() == "content-length"]
    if not lengths:
        return headers
    first = lengths[0]
    if not isinstance(first, str) or not _LENGTH.fullmatch(first.strip(" \t")) or set(lengths) != {first}:
        raise MalformedAnswerError(
            f"the application sent Content-Length: {' and '.join(map(repr, lengths))}: it has to be one number, in "
            "digits alone"
        )
    if len(lengths) == 1:
        return headers
    return [*(each for each in headers if str(each[0]).lower() != "content-length"), ("Content-Length", first)]


class Spooled:
    """A body that was decoded into a spool, as gunicorn's Body reads it."""

    def __init__(self, spool: Spool) -> None:
        self.read = spool.recv
