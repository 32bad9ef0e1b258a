"""What the ports are bound to: one address, or all of them, which are IPv6 and IPv4 where the host has both.

One socket takes both (dual stack). Its IPv4 clients have addresses such as ::ffff:192.0.2.1, which nothing that
compares addresses expects, so they are turned into 192.0.2.1 where a connection is accepted.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

ALL = "::"
"""All addresses, of both families."""
ALL_IPV4 = "0.0.0.0"
BACKLOG = 2048
"""Connections that wait to be accepted, at most; the kernel's net.core.somaxconn bounds it too. gunicorn's own."""
_MAPPED = "::ffff:"


def all_addresses() -> str:
    """`::` where a socket of both families can be bound; `0.0.0.0` where there is no IPv6."""
    try:
        bound(ALL, 0).close()
    except OSError:
        return ALL_IPV4
    return ALL


def bound(address: str, port: int) -> socket.socket:
    """A TCP socket that is bound, and does not listen yet. Raises OSError.

    `::` takes IPv4 as well, also where the system's default (net.ipv6.bindv6only) is otherwise.
    """
    is_ipv6 = ":" in address
    made = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    try:
        # The connections of a server that has just stopped must not keep the port.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != ALL))
        made.bind((address, port))
    except BaseException:
        made.close()
        raise
    return made


def give_up_after(listener: Any, seconds: float) -> None:
    """End each connection accepted from now on as soon as its client has acknowledged no data for so long.

    A client whose machine or pod has vanished closes nothing, and small writes do not fill the send buffer: without
    this an event stream to it goes on until the kernel gives up, after about 15 minutes (net.ipv4.tcp_retries2).
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def shown(address: str, port: int) -> str:
    """Address and port as in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def as_ipv4(client: Any, server: Any) -> tuple[Any, Any]:
    """The socket addresses of a client and of the listener: those of IPv4 if the client came by IPv4."""
    if not client[0].startswith(_MAPPED):
        return client, server
    host = ALL_IPV4 if server[0] == ALL else server[0].removeprefix(_MAPPED)
    return (client[0].removeprefix(_MAPPED), client[1]), (host, server[1])


def own_address(address: str) -> str:
    """Where this host itself reaches what is bound to `address`."""
    return "127.0.0.1" if address in (ALL, ALL_IPV4) else address


def in_proc(address: str) -> str:
    """The address as /proc/net/tcp and /proc/net/tcp6 write it: in words of 32 bits, of this machine's byte order."""
    packed = ipaddress.ip_address(address).packed
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
