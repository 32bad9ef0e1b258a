"""Requests to the management port, as bytes: GET and HEAD without a body, within a few KiB.

A parser of its own, because this port needs so little of HTTP: what is not exactly a request is refused at its first
odd byte, and nothing that a client sends takes more room than HEAD_BYTES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

HEAD_BYTES = 16 * 1024
"""The longest request line and headers together. Prometheus sends some 400 bytes, the kubelet 150."""
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_END = b"\r\n\r\n"


class RefusedError(Exception):
    """What was received is no request that can be answered. Nothing that follows on the connection is read."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True)
class Request:
    """A request: what of it an answer here depends on."""

    method: str
    path: str
    query: str = ""
    accept: str = ""
    accept_encoding: str = ""
    keep_alive: bool = True
    """Whether the client would send another request on this connection."""


def take(received: bytearray) -> Request | None:
    """Remove the first request from what was received. None if it has not arrived in full. Raises RefusedError."""
    # Some clients end a request with an empty line too many, which is to be ignored (RFC 9112, 2.2).
    start = 2 if received.startswith(b"\r\n") else 0
    end = received.find(_END, start)
    if end < 0 or end > HEAD_BYTES:
        if len(received) > HEAD_BYTES:
            raise RefusedError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request is longer than {HEAD_BYTES} bytes"
            )
        return None
    head = received[start:end].decode("latin-1")
    del received[: end + len(_END)]
    return _parsed(head)


def _parsed(head: str) -> Request:
    first, *lines = head.split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if not match:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, target, major, minor = match.groups()
    if major != "1":
        raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only version 1 of HTTP is spoken here")
    headers = _headers(lines)
    hosts = len(headers.get("host", []))
    if hosts > 1 or (hosts == 0 and minor != "0"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a request needs one Host header")
    _check_length(headers)
    path, query = _split(target)
    options = {option.strip().lower() for option in _joined(headers, "connection").split(",")}
    keep_alive = "close" not in options and (minor != "0" or "keep-alive" in options)
    return Request(
        method, path, query, _joined(headers, "accept"), _joined(headers, "accept-encoding"), keep_alive
    )  # fmt: skip


def _headers(lines: list[str]) -> dict[str, list[str]]:
    """The values of each header, by its name in lower case."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if not match:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a header is malformed")
        headers.setdefault(match[1].lower(), []).append(match[2].strip(" \t"))
    return headers


def _joined(headers: dict[str, list[str]], name: str) -> str:
    return ", ".join(headers.get(name, []))


def _check_length(headers: dict[str, list[str]]) -> None:
    """Refuse a body: it would have to be read to find the next request, and nothing here needs one."""
    lengths = headers.get("content-length", [])
    if not all(re.fullmatch(r"[0-9]+", length) for length in lengths):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
    if "transfer-encoding" in headers or any(length.strip("0") for length in lengths):
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "send no body: nothing here takes one")


def _split(target: str) -> tuple[str, str]:
    """Path and query of a target, which may be a whole URL (RFC 9112, 3.2.2)."""
    if "#" in target:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a fragment (#) has no place in a request")
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return path, query
    try:
        url = urlsplit(target)
    except ValueError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "this is no URL") from None
    if url.scheme in ("http", "https") and url.netloc:
        return url.path or "/", url.query
    # Of CONNECT and OPTIONS, which have no path: answered by their method.
    return target, ""
