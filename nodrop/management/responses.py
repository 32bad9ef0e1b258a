"""Answers of the management port, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from nodrop.management.parsing import Request

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class Response:
    """An answer. `headers` are what is special about it; what every answer has is added when it is sent."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str]

    def encode(self, request: Request | None, *, keep_alive: bool) -> list[memoryview]:
        """The bytes that answer `request`, or one that could not be read.

        In pieces, so that a body which several connections are sent is in memory once.
        """
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            # No version: it would help whoever looks for one with a hole.
            "Server: management",
            f"Date: {formatdate(usegmt=True)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        pieces = [memoryview("\r\n".join([*lines, "", ""]).encode("latin-1"))]
        if self.body and not (request and request.method == "HEAD"):
            pieces.append(memoryview(self.body))
        return pieces


def line(status: HTTPStatus, text: str, headers: Mapping[str, str] = TEXT) -> Response:
    """An answer of one line of text."""
    return Response(status, f"{text}\n".encode(), headers)
