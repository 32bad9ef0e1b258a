"""Sends a case as it is and takes what comes."""

from __future__ import annotations

import contextlib
import itertools
import socket

_numbers = itertools.count(1)


def new_address() -> str:
    """An address of the loopback interface that no other connection of this process has come from.

    It tells connections apart in logs, where a port will not do: the kernel gives it out again.
    """
    number = next(_numbers)
    return f"127.77.{number // 250}.{number % 250 + 1}"


def exchange(port: int, data: bytes, *, seconds: float, half_close: bool = False) -> tuple[bytes, str]:
    """Send `data` to a port of 127.0.0.1; what is answered until the server closes or is silent for so many seconds,
    and the address that it was sent from. half_close: say that nothing follows, as soon as all is sent."""
    answered, own = bytearray(), new_address()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(own, 0)) as client,
        # The server may refuse it, and close, before all is sent; that it is silent is an answer too.
        contextlib.suppress(OSError),
    ):
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        client.settimeout(seconds)
        while received := client.recv(65536):
            answered += received
    return bytes(answered), own
