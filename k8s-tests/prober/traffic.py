"""What each kind of prober sends.

new           a GET on a connection of its own
keep-alive    a GET on one of a few connections that stay open
slow          a GET that the server takes SLOW_MS for, on a connection of its own, so that at a rate of r a second
              r * SLOW_MS / 1000 requests are in flight at any moment, also when the fault comes; kept connections
              would be as many, and say nothing more
upload        a POST with a body, on connections that stay open, so that a body that is not read to its very end
              spoils the next request; the length is announced and, in every other request, chunked
"""

import hashlib
import random
from dataclasses import dataclass
from urllib.parse import quote

SLOW_MS = 1000
BODY_BYTES = 16 * 1024
CHUNK_BYTES = 4096
# Bodies begin at another byte of the block for each request, so that no two that are near each other look alike.
_STARTS = 4099


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of prober behaves where the command line does not say otherwise."""

    path: str = "/echo"
    method: str = "GET"
    keeps_connections: bool = False
    has_body: bool = False


KINDS = {
    "new": Kind(),
    "keep-alive": Kind(keeps_connections=True),
    "slow": Kind(path=f"/sleep?ms={SLOW_MS}"),
    "upload": Kind(method="POST", keeps_connections=True, has_body=True),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its bytes, and what an honest echo of it says. `body_sha256` is empty if it has no body."""

    number: int
    data: bytes
    body_bytes: int = 0
    body_sha256: str = ""


class Traffic:
    """The requests of one run, each unlike any other of this run or another one.

    authority: the Host header.
    path, method: those of the kind if empty; the path has its query with it.
    run: a word that no other run has; with the request's number it goes into the query, unless `marked` is false.
    body_bytes: the size of the bodies of a kind that has them. They are a function of `run` and the number.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        authority: str,
        run: str,
        path: str = "",
        method: str = "",
        marked: bool = True,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        path, method = path or kind.path, method or kind.method
        self.method, self.keeps_connections = method, kind.keeps_connections
        self._has_body, self._body_bytes, self._marked = kind.has_body, body_bytes, marked
        separator = "&" if "?" in path else "?"
        mark = f"{separator}run={quote(run)}&probe=" if marked else ""
        self._before = f"{method} {path}{mark}".encode()
        self._after = (
            f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: prober\r\n"
            f"Connection: {'keep-alive' if kind.keeps_connections else 'close'}\r\n"
        ).encode()
        if not kind.has_body and method not in ("GET", "HEAD", "OPTIONS"):
            self._after += b"Content-Length: 0\r\n"
        self._after += b"" if kind.has_body else b"\r\n"
        # Reproducible, and nothing that an attacker could want to guess.
        self._block = random.Random(run).randbytes(body_bytes + _STARTS) if kind.has_body else b""

    def request(self, number: int) -> Request:
        """Request `number`."""
        head = b"%b%d%b" % (self._before, number, self._after) if self._marked else self._before + self._after
        if not self._has_body:
            return Request(number, head)
        body = self.body(number)
        if number % 2:
            data = b"%bTransfer-Encoding: chunked\r\n\r\n%b" % (head, chunked(body))
        else:
            data = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        return Request(number, data, len(body), hashlib.sha256(body).hexdigest())

    def body(self, number: int) -> bytes:
        """The body of request `number`: the number, then bytes that look random."""
        start = number % _STARTS
        return (b"%d:" % number + self._block[start : start + self._body_bytes])[: self._body_bytes]


def chunked(body: bytes) -> bytes:
    """The body in chunks of CHUNK_BYTES (RFC 9112 section 7.1)."""
    pieces = []
    for start in range(0, len(body), CHUNK_BYTES):
        piece = body[start : start + CHUNK_BYTES]
        pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
    return b"".join(pieces) + b"0\r\n\r\n"
