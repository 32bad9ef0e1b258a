"""Kinds of value that say how the server is reached: through which proxies, by which hosts, under which path."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from nodrop.config.types import Form, Kind, names

Network = IPv4Network | IPv6Network
TrustedProxies = int | tuple[Network, ...]
"""How many proxies are trusted, or the networks that they are in."""

MAX_PROXIES = 10
FORWARDED = ("for", "proto", "host", "port", "prefix")
"""What is known of the family X-Forwarded-, by the name's last part."""
# The characters of a path that need no quoting in a URL; no comma, which would begin another entry of a header.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+;=:@-]+"
_PREFIX = re.compile(rf"(?:/{_SEGMENT})+", re.ASCII)


def trusted_proxies() -> Kind[TrustedProxies]:
    """How many proxies there are, or their networks in CIDR notation, separated by commas."""

    def parse(value: str) -> TrustedProxies | None:
        if value.isascii() and value.isdecimal() and len(value) <= 2:
            return int(value) if int(value) <= MAX_PROXIES else None
        try:
            networks = tuple(ip_network(part.strip()) for part in value.split(","))
        except ValueError:
            return None
        # With everyone trusted, the client's address would be whatever the client claims.
        return networks if all(network.prefixlen for network in networks) else None

    return Kind(
        f"how many proxies there are, from 0 to {MAX_PROXIES}, or to their networks, separated by commas, such as "
        "10.0.0.0/8, 2001:db8::/32; a network's address ends in zeros, and /0 would trust everyone",
        f"a number up to {MAX_PROXIES}, or networks such as `10.0.0.0/8, 2001:db8::/32`",
        parse,
        lambda value: str(value) if isinstance(value, int) else ", ".join(map(str, value)),
        form=Form(numbers=(0, MAX_PROXIES), pattern=r"[0-9A-Fa-f:., /]*[.:][0-9A-Fa-f:., /]*"),
    )


def forwarded_headers() -> Kind[tuple[str, ...]]:
    """Some of FORWARDED, separated by commas; the header's whole name is accepted too."""

    def parse(value: str) -> tuple[str, ...] | None:
        parts = tuple(part.strip().lower().removeprefix("x-forwarded-") for part in value.split(","))
        return parts if set(parts) <= set(FORWARDED) else None

    listed = ", ".join(FORWARDED)
    return Kind(f"some of {listed}, separated by commas", f"some of {listed}", parse, ", ".join)


def hosts() -> Kind[tuple[str, ...]]:
    """Hosts in lower case, separated by commas. One that begins with a dot stands for its subdomains too."""
    kind = names(
        "hosts without a port, separated by commas, such as shop.example, .shop.example (with its subdomains), "
        "10.0.0.1, [2001:db8::1], or * for any",
        "hosts, such as `shop.example, .shop.example`",
        pattern=r"\*|\.?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]",
    )

    def parse(value: str) -> tuple[str, ...] | None:
        return kind.parse(value.lower())

    return Kind(kind.accepted, kind.range, parse, kind.show)


def url_prefix() -> Kind[str]:
    """A path without the slash at its end; empty for the root."""
    return Kind(
        "a path that begins with / and needs no quoting in a URL, such as /shop",
        "`/...`",
        clean_prefix,
    )


def clean_prefix(text: str) -> str | None:
    """The path without the slash at its end, empty for the root; None if it can't stand in front of every URL.

    It becomes the beginning of redirects: //evil.example would lead to another host.
    """
    text = text.removesuffix("/")
    return text if not text or _PREFIX.fullmatch(text) else None
