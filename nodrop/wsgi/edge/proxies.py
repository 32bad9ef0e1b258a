"""Who the client is, and how it reached the site, as trusted proxies tell it.

Headers such as X-Forwarded-For are trusted only of proxies that TRUSTED_PROXIES counts or names by their networks, and
only those headers that FORWARDED_HEADERS names: a proxy passes on what the client sent under every name that it does
not set itself. Of X-Forwarded-For, which each proxy extends, the entry that the outermost trusted proxy added is taken,
counted from the right, so that nothing that a client puts in front of it has a say. What is malformed counts as not
sent. The standard header Forwarded (RFC 7239) is ignored: no common proxy sets it unless told to, so it is the
client's. docs/proxies.md has the settings for each proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nodrop.config.network_types import Network, TrustedProxies, clean_prefix
from nodrop.wsgi.edge.client_address import MAX_LENGTH, parse_address
from nodrop.wsgi.edge.hosts import HOST, is_valid

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CACHED = 1024
"""Addresses that are kept parsed; a proxy's comes with every request, a client's with many."""
MAX_HOPS = 32
"""Entries of X-Forwarded-For that are looked at where proxies are named by network."""
IDS = ("HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_TRACESTATE")
"""What is removed from the request of a peer that is known not to be trusted."""
_MAPPED = "::ffff:"
# Traefik tells the scheme of a WebSocket as ws or wss.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PORT = re.compile(r"(?!0)[0-9]{1,5}")


class Chain(Protocol):
    """Which peers are proxies, and which entry of X-Forwarded-For is the client."""

    def trusts(self, peer: str) -> bool:
        """Whether the peer of the connection is a trusted proxy."""

    def client(self, forwarded_for: str) -> tuple[str, int]:
        """The client's address, empty if it is not told; and how many trusted proxies the request came through."""


class Counted:
    """Proxies of which only the number is known, so that every peer has to be taken for the innermost."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._address = lru_cache(CACHED)(lambda entry: str(parse_address(entry) or ""))

    def trusts(self, peer: str) -> bool:  # noqa: ARG002 - as in Chain
        """Always: one peer can't be told from another."""
        return True

    def client(self, forwarded_for: str) -> tuple[str, int]:
        """The entry with the number of the outermost proxy, from the right. With fewer entries it is not told."""
        entries = forwarded_for.rsplit(",", self._count)
        entry = entries[-self._count] if len(entries) >= self._count else ""
        return self._address(entry) if len(entry) <= MAX_LENGTH else "", self._count


class _Known(NamedTuple):
    address: str
    """Empty if it is none."""
    trusted: bool


class Named:
    """Proxies that are known by the networks that they are in."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        def look_up(entry: str) -> _Known:
            address = parse_address(entry)
            # An address of one version is in no network of the other.
            return _Known(str(address or ""), address is not None and any(address in each for each in networks))

        self._look_up = lru_cache(CACHED)(look_up)

    def trusts(self, peer: str) -> bool:
        """Whether the peer is in one of the networks."""
        return self._look_up(peer).trusted

    def client(self, forwarded_for: str) -> tuple[str, int]:
        """The first entry from the right that is not in the networks; the leftmost if all are.

        Where a proxy has added no address, such as `unknown`, the client is not known any better than by that proxy.
        """
        client, hops = "", 0
        for entry in reversed(forwarded_for.rsplit(",", MAX_HOPS)):
            hops += 1
            known = self._look_up(entry) if len(entry) <= MAX_LENGTH else _Known("", False)
            client = known.address or client
            if not known.trusted:
                break
        return client, hops


def behind(application: WSGIApplication, trusted: TrustedProxies, headers: Iterable[str]) -> WSGIApplication:
    """`application` with the environment as the outermost trusted proxy saw the request.

    Stands outside of whatever reads an id, the client, the scheme, the host or the prefix of a request.

    trusted: how many proxies, or their networks. headers: those that are trusted, by the last part of the name, such as
    `for`. Changed are REMOTE_ADDR, wsgi.url_scheme, HTTP_HOST with SERVER_NAME and SERVER_PORT, and SCRIPT_NAME.
    """
    if not trusted:
        return _Untrusting(application)
    chain = Counted(trusted) if isinstance(trusted, int) else Named(trusted)
    return _Trusting(application, chain, frozenset(headers))


class _Untrusting:
    """No proxy is trusted."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _unmap(environ)
        return self._application(environ, start_response)


class _Trusting:
    """The proxies of `chain` are trusted, for the headers that are named."""

    def __init__(self, application: WSGIApplication, chain: Chain, headers: frozenset[str]) -> None:
        self._application = application
        self._chain = chain
        self._for = "for" in headers
        others = {"proto": _take_scheme, "host": _take_host, "port": _take_port, "prefix": _take_prefix}
        # In this order: a port is added to the host that was told, and left out if it is the scheme's own.
        self._others = [(f"HTTP_X_FORWARDED_{name.upper()}", take) for name, take in others.items() if name in headers]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        peer = _unmap(environ)
        if self._chain.trusts(peer):
            self._take_over(environ)
        else:
            for name in IDS:
                environ.pop(name, None)
        return self._application(environ, start_response)

    def _take_over(self, environ: WSGIEnvironment) -> None:
        hops = 1
        if self._for and (forwarded_for := environ.get("HTTP_X_FORWARDED_FOR")):
            client, hops = self._chain.client(forwarded_for)
            if client:
                environ["REMOTE_ADDR"] = client
        for name, take in self._others:
            if value := environ.get(name):
                take(environ, _entry(value, hops))


def _entry(value: str, hops: int) -> str:
    """What the outermost of `hops` proxies has told in a header.

    That is its entry from the right if each proxy adds one; where proxies replace the header there are fewer, and the
    first is its.
    """
    return value.rsplit(",", hops)[-hops:][0].strip(" \t")


def _take_scheme(environ: WSGIEnvironment, told: str) -> None:
    if scheme := _SCHEMES.get(told.lower()):
        environ["wsgi.url_scheme"] = scheme


def _take_host(environ: WSGIEnvironment, told: str) -> None:
    if is_valid(told) and (found := HOST.fullmatch(told)):
        environ["HTTP_HOST"] = told
        environ["SERVER_NAME"] = found["name"]
        environ["SERVER_PORT"] = found["port"] or _DEFAULT_PORTS[environ["wsgi.url_scheme"]]


def _take_port(environ: WSGIEnvironment, told: str) -> None:
    if not _PORT.fullmatch(told) or int(told) > 65535:
        return
    environ["SERVER_PORT"] = told
    if found := HOST.fullmatch(environ.get("HTTP_HOST", "")):
        usual = told == _DEFAULT_PORTS[environ["wsgi.url_scheme"]]
        environ["HTTP_HOST"] = found["name"] if usual else f"{found['name']}:{told}"


def _take_prefix(environ: WSGIEnvironment, told: str) -> None:
    if prefix := clean_prefix(told):
        environ["SCRIPT_NAME"] = prefix


def _unmap(environ: WSGIEnvironment) -> str:
    """The peer's address, as IPv4 if it is; a socket for both versions has it mapped to IPv6."""
    peer: str = environ["REMOTE_ADDR"]
    if peer.startswith(_MAPPED):
        environ["REMOTE_ADDR"] = peer = str(parse_address(peer) or peer)
    return peer
