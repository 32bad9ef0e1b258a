"""Ordinary requests, which most are: their heads are read here, at a fraction of what gunicorn's parser takes.

Ordinary is what leaves nothing to decide: a usual method, a path, HTTP/1.1 or 1.0, one valid Host, no field twice, no
transfer coding, no expectation, and no byte that has no place in any of them. Everything else, and all that has to be
refused, is left to gunicorn's parser, which finds in an ordinary head the very same (tests/test_parsing.py).
"""

from __future__ import annotations

from typing import Any

from gunicorn.http.message import Request

from nodrop.http.requests.names import Names, field
from nodrop.wsgi.edge.hosts import MAX_LENGTH, is_valid

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
VERSIONS = {"HTTP/1.1": (1, 1), "HTTP/1.0": (1, 0)}
_ALLOWED = bytes([*range(0x20, 0x7F), *range(0x80, 0x100)])
"""Bytes of a line. A tab may stand in a value, but hardly ever does."""
_MOST_DIGITS = 15
"""Of a length; many more than any limit has."""
_names = Names()


class OrdinaryRequest(Request):  # type: ignore[misc]  # gunicorn has no type information
    """A request that gunicorn's hooks see as they see any other. Its body is put in by whoever has it."""

    scheme = "http"
    fragment = ""
    proxy_protocol_info = None
    must_close = False
    unreader = None
    body: Any = None
    _expected_100_continue = False
    _headers: list[tuple[str, str]] | None = None

    def __init__(
        self, cfg: Any, client: Any, number: int, method: str, target: str, version: str, variables: dict[str, str]
    ) -> None:
        """cfg: gunicorn's configuration. client: its address. number: of the request on its connection, from 1.
        variables: the header fields, by their names in the environment."""
        self.cfg = cfg
        self.peer_addr = self.remote_addr = client
        self.req_number = number
        self.method = method
        self.uri = target
        self.path, _, self.query = target.partition("?")
        self.protocol = version
        """As in SERVER_PROTOCOL."""
        self.version = VERSIONS[version]
        self.variables = variables
        connection = variables.get("HTTP_CONNECTION")
        if connection is None or connection == "keep-alive":
            self._closes = connection is None and version != "HTTP/1.1"
        else:
            lowered = connection.lower()
            self.must_close = "close" in [option.strip(" ") for option in lowered.split(",")]
            self._closes = self.must_close or (version != "HTTP/1.1" and lowered != "keep-alive")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """As gunicorn has them, for hooks and whoever else looks at a request now and then."""
        if self._headers is None:
            self._headers = [(field(name), value) for name, value in self.variables.items()]
        return self._headers

    @headers.setter
    def headers(self, value: list[tuple[str, str]]) -> None:
        self._headers = value

    @property
    def changed_headers(self) -> list[tuple[str, str]] | None:
        """The headers if somebody has looked at them, and may have changed them."""
        return self._headers

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """None, as its body is not chunked."""
        return []

    def should_close(self) -> bool:
        """Whether no other request is to follow on the connection."""
        if self._headers is not None:
            return bool(super().should_close())
        return self.must_close or self._closes


def parse(head: bytes, cfg: Any, client: Any, number: int, most_fields: int) -> OrdinaryRequest | None:
    """The request with this head, which is given without its empty line; None if it is not ordinary.

    most_fields: how many header fields it may have.
    """
    first, *lines = str(head, "latin-1").split("\r\n")
    fields = len(lines)
    # Nothing but the ends of its lines is left without the bytes that may be in a line.
    if fields > most_fields or len(head.translate(None, _ALLOWED)) != 2 * fields:
        return None
    variables = {}
    try:
        method, target, version = first.split(" ")
        for line in lines:
            name, value = line.split(":", 1)
            variables[_names[name]] = value.strip(" ")
    except (ValueError, KeyError):
        return None
    if len(variables) != fields or method not in METHODS or version not in VERSIONS:
        return None
    if not target.startswith("/") or "#" in target or not target.isascii() or not _is_ordinary(variables, version):
        return None
    return OrdinaryRequest(cfg, client, number, method, target, version, variables)


def _is_ordinary(variables: dict[str, str], version: str) -> bool:
    host = variables.get("HTTP_HOST")
    # The length first, as in rules.py: what is asked about is remembered.
    if version == "HTTP/1.1" if host is None else len(host) > MAX_LENGTH or not is_valid(host):
        return False
    if "HTTP_TRANSFER_ENCODING" in variables or "HTTP_EXPECT" in variables:
        return False
    length = variables.get("CONTENT_LENGTH")
    return length is None or (length.isdecimal() and len(length) <= _MOST_DIGITS)
