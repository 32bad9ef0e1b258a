"""A server that misbehaves on command: what the prober's measurements are checked against."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

Behaviour = Callable[[int], str]
"""From a request's number to what to do with it: `ok`, or one of the faults in `_answer`."""


class FaultyServer:
    """Echoes the request's number, except where `behaviour` says otherwise. `received` counts numbers, retries too."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.received: Counter[int] = Counter()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Refuse new connections from now on."""
        # Closing alone does not end an accept() that is waiting: it would take one more connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            buffer, answered = b"", 0
            while True:
                while b"\r\n\r\n" not in buffer:
                    try:
                        received = connection.recv(65536)
                    except OSError:
                        return
                    if not received:
                        return
                    buffer += received
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                number = int(parse_qs(urlsplit(head.split(b" ")[1].decode()).query)["probe"][0])
                self.received[number] += 1
                behaviour = self.behaviour(number)
                if behaviour == "reset-reused":
                    behaviour = "reset" if answered else "ok"
                answered += 1
                if not self._answer(connection, number, behaviour) or b"Connection: close" in head:
                    return

    @staticmethod
    def _answer(connection: socket.socket, number: int, behaviour: str) -> bool:
        """Answer as told; returns whether the connection stays open."""
        fault, _, argument = behaviour.partition(" ")
        echoed, status, length = number, 200, 0
        if fault == "reset":
            # Closing with a linger time of zero sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fault == "close":
            return False
        if fault in ("delay", "hang"):
            time.sleep(float(argument))
        elif fault == "status":
            status = int(argument)
        elif fault == "other":
            echoed = number + 1
        elif fault == "short":
            length = 10
        body = json.dumps({"host": "pod", "version": "1", "query": {"probe": [str(echoed)]}}).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body) + length}\r\n\r\n"
        try:
            connection.sendall(head.encode() + body)
        except OSError:
            return False
        return fault not in ("short", "then-close")


@contextmanager
def faulty_server(behaviour: Behaviour) -> Iterator[FaultyServer]:
    """A server for the `with` block."""
    server = FaultyServer(behaviour)
    try:
        yield server
    finally:
        server.close()
