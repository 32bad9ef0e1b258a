"""What the cases are written with."""

from __future__ import annotations

ACCEPTED = "200 200"
"""It is answered, and so is the request that is sent behind it: they agree where it ends."""
LAST_ONE = "200"
"""It is answered and ends the connection, or what follows it belongs to it."""
REFUSED = "400"
"""It is refused, and nothing of what is sent behind it is looked at."""
NOTHING = ""
"""It is not complete, so that there is nothing to answer."""

Cases = dict[str, tuple[bytes, str]]
"""By name: the bytes that are sent, and the statuses they are answered with, together with the request behind them."""


def request(line: bytes, *fields: bytes, body: bytes = b"", host: bytes = b"Host: x") -> bytes:
    """A request of a request line and header lines, without their ends, and a body. `host` is the first header line."""
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", b""]) + body


def get(*fields: bytes, host: bytes = b"Host: x") -> bytes:
    """A GET request with these header lines."""
    return request(b"GET / HTTP/1.1", *fields, host=host)


def post(*fields: bytes, body: bytes = b"") -> bytes:
    """A POST request with these header lines and this body."""
    return request(b"POST / HTTP/1.1", *fields, body=body)


def chunked(body: bytes, *fields: bytes) -> bytes:
    """A POST request with a body in chunks, which are written out."""
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


def lined(line: bytes) -> bytes:
    """A request with this request line."""
    return request(line)
