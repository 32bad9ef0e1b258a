"""An IP address as proxies write it."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_LENGTH = 100
"""Characters. No address has more, not even with a zone and a port."""
_ENTRY = re.compile(
    r"\[(?P<bracketed>[^][]*:[^][]*)](?::[0-9]{1,5})?|(?P<v4>[^][:]*)(?::[0-9]{1,5})?|(?P<v6>[^][]*:[^][]*:[^][]*)"
)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in one entry of X-Forwarded-For, or of a connection's peer; None if there is none.

    Accepted are IPv4 with a port or without, IPv6 bare, and in brackets with a port or without. An IPv4 address that is
    mapped to IPv6 is given as IPv4. A zone is left out: it names a network interface of another host. What RFC 7239
    allows in place of an address (`unknown`, `_hidden`) is none.
    """
    text = text.strip(" \t")
    found = _ENTRY.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if not found:
        return None
    bare = found["bracketed"] or found["v4"] or found["v6"] or ""
    try:
        address = ip_address(bare.partition("%")[0] if ":" in bare else bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
