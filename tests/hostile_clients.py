"""Clients that mean harm to a port that serves health and metrics, as a process: `python -m tests.hostile_clients`.

They hold connections of four kinds, or with --queries of one that asks for metrics in many words, and open another for
each that is closed. The process says `open` once all have
been opened for the first time, and at its end, on SIGTERM, how many it has opened.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
TRICKLE = b"GET /livez HTTP/1.1\r\nX-Endless: "
OPENINGS = {
    "half a request": b"GET /livez HTTP/1.1\r\nHost: x\r\n",
    "a byte now and then": TRICKLE,
    "scrapes, and nothing is read": SCRAPE * 50,
    "idle after an answer": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
}
QUERIES = {"a long query": b"GET /metrics?" + b"name[]=%41&" * 1450 + b"name[]=NUMBER HTTP/1.1\r\nHost: x\r\n\r\n"}
"""As long as a request may be, and never the same."""
TICK_SECONDS = 0.01


@dataclass
class Client:
    """One connection, opened again and again."""

    kind: str
    socket: socket.socket | None = None


class Attack:
    """`count` clients at `port`, of which `rate` are opened a second. openings: what each kind of them sends."""

    def __init__(self, port: int, count: int, rate: int, openings: Mapping[str, bytes]) -> None:
        self._port = port
        self._openings = openings
        self._clients = [Client(kind) for kind, _ in zip(itertools.cycle(openings), range(count), strict=False)]
        self._closed = list(self._clients)
        self._by_descriptor: dict[int, Client] = {}
        self._each = max(1, int(rate * TICK_SECONDS))
        self._poll = select.poll()
        self.opened = 0

    def tick(self) -> None:
        """Open some that are not, notice which were closed, and let those that trickle send a byte."""
        for client in self._closed[: self._each]:
            self._open(client)
        del self._closed[: self._each]
        for descriptor, _ in self._poll.poll(0):
            self._close(descriptor)
        for client in self._by_descriptor.copy().values():
            if client.kind == "a byte now and then" and client.socket and self.opened % 50 == 0:
                self._send(client, b"x")

    def _open(self, client: Client) -> None:
        client.socket = socket.socket()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.settimeout(1)
        self.opened += 1
        self._by_descriptor[client.socket.fileno()] = client
        self._poll.register(client.socket, select.POLLRDHUP)
        try:
            client.socket.connect(("127.0.0.1", self._port))
            client.socket.setblocking(False)
        except OSError:
            self._close(client.socket.fileno())
            return
        self._send(client, self._openings[client.kind].replace(b"NUMBER", b"%d" % self.opened))

    def _send(self, client: Client, data: bytes) -> None:
        assert client.socket
        try:
            client.socket.send(data)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self._close(client.socket.fileno())

    def _close(self, descriptor: int) -> None:
        client = self._by_descriptor.pop(descriptor)
        self._poll.unregister(descriptor)
        assert client.socket
        client.socket.close()
        client.socket = None
        self._closed.append(client)

    @property
    def all_were_opened(self) -> bool:
        """Whether each client has been connected at least once."""
        return self.opened >= len(self._clients)


def main() -> None:
    """Attack until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=500, help="connections opened a second")
    parser.add_argument("--queries", action="store_true", help="only scrapes whose query is long")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    attack = Attack(options.port, options.count, options.rate, QUERIES if options.queries else OPENINGS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print(attack.opened, flush=True)))
    said = False
    while True:
        attack.tick()
        if attack.all_were_opened and not said:
            print("open", flush=True)
            said = True
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main()
