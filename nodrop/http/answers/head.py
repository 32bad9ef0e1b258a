"""Heads of answers: the status, and the headers of an application as they are sent."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from enum import IntEnum
from functools import lru_cache
from typing import Any

from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName

_STATUS = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-zA-Z]+")
_VALUE = re.compile(r"[ \t\x21-\x7e\x80-\xff]*")
_ALLOWED = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""Bytes of a line."""
_MOST_NAMES = 1024
_SERVERS = frozenset(
    ["keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "server", "date"]
)


class Kind(IntEnum):
    """What a header is to the server."""

    PLAIN = 0
    """Sent as it is."""
    LENGTH = 1
    CONNECTION = 2
    UPGRADE = 3
    SERVERS = 4
    """The server's own business, and dropped."""


class _Kinds(dict[str, Kind]):
    """The kind for each name. Raises InvalidResponseHeaderName, or TypeError."""

    def __missing__(self, name: Any) -> Kind:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is not a string")
        if not _TOKEN.fullmatch(name):
            raise InvalidResponseHeaderName(repr(name))
        named = {"content-length": Kind.LENGTH, "connection": Kind.CONNECTION, "upgrade": Kind.UPGRADE}
        kind = named.get(name.lower()) or (Kind.SERVERS if name.lower() in _SERVERS else Kind.PLAIN)
        if len(self) < _MOST_NAMES:
            self[name] = kind
        return kind


kinds = _Kinds()


@lru_cache(256)
def status_code(status: str) -> int:
    """The number that a status begins with. Raises ValueError."""
    if not _STATUS.fullmatch(status):
        raise ValueError(f"Invalid status {status!r}")
    return int(status[:3])


def check_value(name: str, value: Any) -> None:
    """Raise TypeError or InvalidResponseHeader unless it can be sent as a header's value."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    if not _VALUE.fullmatch(value):
        # The value may be a secret.
        raise InvalidResponseHeader(repr(name))


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """The lines of these headers, whose names are known to be valid. Raises TypeError or InvalidResponseHeader."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    try:
        encoded = "".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        encoded = b""
    # All of them at once: nothing but the ends of the lines is left without the bytes that may be in one.
    if len(encoded.translate(None, _ALLOWED)) != 2 * len(lines):
        for name, value in headers:
            check_value(name, value)
    return encoded


class _Date:
    """The line with the time, made once a second."""

    def __init__(self) -> None:
        self._line = 0, ""

    def line(self) -> str:
        now = int(time.time())
        second, line = self._line
        if second != now:
            line = f"Date: {formatdate(now, usegmt=True)}\r\n"
            self._line = now, line
        return line


date_line = _Date().line
