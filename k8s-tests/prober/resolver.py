"""Looks a name up as often as asked, without holding up whoever asks.

The C library's look-up blocks, so threads do it; its owner has fileno() watched and takes the answers when it is
readable. It is the look-up that every client in the container has, with its search domains and its patience.
"""

import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from connection import Address
from record import Failure

Where = tuple[int, Address]
"""Where to connect to: family and socket address."""

MAX_UNDER_WAY = 1000
"""Look-ups at once. One that meets no name server may take the C library half a minute to give up."""


def look_up(host: str, port: int) -> Where:
    """The first address of a name. Raises OSError if it has none."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, address  # type: ignore[return-value]  # of a TCP address it is one of the two forms of Address


class Resolver:
    """Looks up one name."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._threads = ThreadPoolExecutor(MAX_UNDER_WAY, thread_name_prefix="look-up")
        self._answers: SimpleQueue[tuple[int, Where | None]] = SimpleQueue()
        self._readable = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._under_way = 0

    def fileno(self) -> int:
        """The file descriptor that becomes readable when there are answers."""
        return self._readable

    def ask(self, number: int) -> None:
        """Look the name up for request `number`. Raises Failure if too many look-ups are in flight."""
        if self._under_way >= MAX_UNDER_WAY:
            raise Failure("not-sent")
        self._under_way += 1
        self._threads.submit(self._look_up, number)

    def answers(self) -> list[tuple[int, Where | None]]:
        """What has been found since the last call: the request's number, and where to; None if nothing was found."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._readable)
        found = []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._answers.get_nowait())
        self._under_way -= len(found)
        return found

    def close(self) -> None:
        """Begin no further look-up. Those in flight end by themselves, unnoticed."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, number: int) -> None:
        try:
            found = look_up(self._host, self._port)
        except OSError:
            found = None
        self._answers.put((number, found))
        os.eventfd_write(self._readable, 1)
