"""Where requests end, by the letter of RFC 9112: a third opinion, beside those of a proxy and of the server.

Nothing here is shared with the server, and what the RFC leaves to a server's leniency is malformed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([0-9])")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:" + _EXTENSION + rb")*")
_NOT_IN_TRAILERS = {b"host", b"content-length", b"transfer-encoding"}

Fields = list[tuple[bytes, bytes]]


class Malformed(Exception):
    """It is not what the RFC allows."""


class Incomplete(Exception):
    """More has to come."""


@dataclass(frozen=True)
class Request:
    """A request: its method, its target, whom it is for, the length of its body and a digest of it.

    Compared without `fields`.
    """

    method: str
    target: str
    host: str
    length: int
    sha256: str
    fields: dict[str, str] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Answer:
    """An answer: its status and its headers, with names in lower case."""

    status: int
    fields: dict[str, str]


@dataclass(frozen=True)
class Requests:
    """What a stream of bytes consists of. `end`: why there are no more."""

    complete: list[Request]
    end: str
    """`complete`, `incomplete`, `closed` (the last one ends the connection) or `malformed`."""
    why: str = ""
    rest: bytes = b""
    """What follows the last complete one."""


class _Stream:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def line(self) -> bytes:
        """The next line, which ends with CRLF."""
        line, end, rest = self.data.partition(b"\n")
        if not line.endswith(b"\r") and (end or b"\r" in line[:-1]):
            raise Malformed(f"a bare LF or CR at the end of {line[:40]!r}")
        if not end:
            raise Incomplete
        self.data = rest
        return line[:-1]

    def take(self, size: int) -> bytes:
        """That many bytes."""
        if len(self.data) < size:
            raise Incomplete
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def fields(self) -> Fields:
        """Header or trailer lines, up to and with the empty line."""
        found = []
        while line := self.line():
            match = _FIELD.fullmatch(line)
            if not match:
                raise Malformed(f"header line {line[:40]!r}")
            found.append((match[1].lower(), match[2].strip(b" \t")))
        return found


def requests(data: bytes) -> Requests:
    """The requests in what was sent on a connection."""
    stream, found = _Stream(data), list[Request]()
    while rest := stream.data:
        try:
            request, last = _request(stream)
        except Malformed as error:
            return Requests(found, "malformed", str(error), rest)
        except Incomplete:
            return Requests(found, "incomplete", rest=rest)
        found.append(request)
        if last:
            return Requests(found, "closed", rest=stream.data)
    return Requests(found, "complete")


def _request(stream: _Stream) -> tuple[Request, bool]:
    """The next request, and whether it is the last one of its connection."""
    # One empty line before a request is to be ignored (section 2.2).
    line = stream.line() or stream.line()
    match = _REQUEST_LINE.fullmatch(line)
    if not match:
        raise Malformed(f"request line {line[:40]!r}")
    fields, minor = stream.fields(), int(match[3])
    body = _body(stream, fields, minor)
    options = b",".join(value for name, value in fields if name == b"connection").lower().split(b",")
    asked = {option.strip(b" \t") for option in options}
    last = match[1] == b"CONNECT" or b"close" in asked or (minor == 0 and b"keep-alive" not in asked)
    by_name = {name.decode(): value.decode("latin-1") for name, value in fields}
    authority = match[2] if match[1] == b"CONNECT" else (_ABSOLUTE.match(match[2]) or [b"", b""])[1]
    request = Request(
        match[1].decode(),
        match[2].decode(),
        # The target's, whatever Host says (section 3.2.2).
        authority.decode() or by_name.get("host", ""),
        len(body),
        hashlib.sha256(body).hexdigest(),
        by_name,
    )
    return request, last


def _body(stream: _Stream, fields: Fields, minor: int) -> bytes:
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    if len(values.get(b"host", [])) != 1 and (minor or b"host" in values):
        raise Malformed("not one Host")
    lengths, codings = values.get(b"content-length", []), values.get(b"transfer-encoding", [])
    if codings:
        if lengths or not minor or [coding.lower() for coding in codings] != [b"chunked"]:
            raise Malformed("a transfer coding that is not chunked alone")
        return _chunks(stream)
    if not lengths:
        return b""
    # Longer numbers than that are for no body that could be sent.
    if len(lengths) != 1 or not re.fullmatch(rb"[0-9]{1,40}", lengths[0]):
        raise Malformed(f"Content-Length {lengths}")
    return stream.take(int(lengths[0]))


def _chunks(stream: _Stream) -> bytes:
    body = b""
    while True:
        line = stream.line()
        match = _SIZE_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"size line {line[:40]!r}")
        if not (size := int(match[1], 16)):
            break
        body += stream.take(size)
        if stream.line():
            raise Malformed("a chunk that is longer than its size")
    if _NOT_IN_TRAILERS & {name for name, _ in stream.fields()}:
        raise Malformed("a trailer that would change the framing")
    return body


def answers(data: bytes, methods: list[str]) -> list[Answer]:
    """The answers to requests of these methods, informational ones left out. Raises Malformed and Incomplete."""
    stream, found = _Stream(data), list[Answer]()
    while stream.data:
        line = stream.line()
        match = re.fullmatch(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\t\x20-\x7e]*", line)
        if not match:
            raise Malformed(f"status line {line[:60]!r}")
        status, fields = int(match[1]), stream.fields()
        if status < 200:
            continue
        by_name = {name.decode(): value.decode("latin-1") for name, value in fields}
        method = methods[len(found)] if len(found) < len(methods) else ""
        found.append(Answer(status, by_name))
        if method == "HEAD" or status in (204, 304):
            continue
        if "transfer-encoding" in by_name:
            _chunks(stream)
        elif "content-length" in by_name:
            stream.take(int(by_name["content-length"]))
        else:
            stream.data = b""  # It ends with the connection.
    return found
