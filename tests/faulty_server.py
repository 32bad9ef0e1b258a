"""A server that misbehaves on command: what the prober's measurements are checked against."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from tests.fast_server import take_body

Behaviour = Callable[[int], str]
"""From a request's number to what to do with it. Answered as it should be:

    ok              at once
    delay S         after S seconds
    chunked         in chunks, after an interim answer
    until-close     without a length, up to the connection's end
    then-close S    and S seconds later the connection is closed, without a word of it in the answer
    drip S          its head a byte at a time, over S seconds in all

Not so:

    reset           the connection is reset once the request is there
    reset-reused    the same, but only where the connection has carried a request before
    close           the connection is closed without an answer
    short           the answer ends before its announced length
    half-closed     so, and the connection stays open in the other direction
    hang            there is no answer, and the connection stays open
    status N        another status, and the same body
    early N         another status, before the request's body has been read, which it never is
    moved PORT      a redirect to another server
    other, run      the answer to another request, of this run or of another one
    corrupt         as if one bit of the request's body had changed
    garbage         what is not HTTP
    excess          more than the announced length
"""

HANG_SECONDS = 30.0


class FaultyServer:
    """Echoes each request, except where `behaviour` says otherwise.

    behaviour: may be exchanged at any time.
    reset_connections: which connections, in the order in which they come, are reset before anything is read from them.
    address: where it listens; port 0 for any that is free.

    `received` counts numbers, retries too; `answered_at` has when an answer was sent, in seconds since the epoch.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        reset_connections: frozenset[int] = frozenset(),
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.behaviour = behaviour
        self.received: Counter[int] = Counter()
        self.heads: dict[int, bytes] = {}
        self.answered_at: dict[int, float] = {}
        self.connections = 0
        self._reset_connections = reset_connections
        self._closing = threading.Event()
        self._listener = socket.create_server(address, backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Refuse new connections from now on."""
        self._closing.set()
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
            if self.connections - 1 in self._reset_connections:
                reset(connection)
            else:
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer, served = b"", 0
        with connection, suppress(OSError):
            while True:
                while b"\r\n\r\n" not in buffer:
                    received = connection.recv(65536)
                    if not received:
                        return
                    buffer += received
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
                # Your own application is not told the number: then they are counted.
                number = int(query["probe"][0]) if "probe" in query else self.received.total()
                self.received[number] += 1
                self.heads[number] = head
                behaviour = self.behaviour(number)
                if behaviour.startswith("early"):
                    connection.sendall(answer(behaviour.replace("early", "status"), number, query, b""))
                    self._closing.wait(HANG_SECONDS)
                    return
                while (taken := take_body(head, buffer)) is None:
                    received = connection.recv(65536)
                    if not received:
                        return
                    buffer += received
                body, buffer = taken
                if behaviour == "reset-reused":
                    behaviour = "reset" if served else "ok"
                served += 1
                stays = self._answer(connection, behaviour, number, query, body)
                if not stays or b"Connection: close" in head:
                    return

    def _answer(
        self, connection: socket.socket, behaviour: str, number: int, query: dict[str, list[str]], body: bytes
    ) -> bool:
        """Answer as told; returns whether the connection stays open."""
        fault, _, argument = behaviour.partition(" ")
        if fault == "reset":
            reset(connection)
        if fault == "hang":
            self._closing.wait(HANG_SECONDS)
        if fault in ("reset", "hang", "close"):
            return False
        if fault == "delay":
            time.sleep(float(argument))
        data = answer(behaviour, number, query, body)
        if fault == "drip":
            end = data.index(b"\r\n\r\n")
            for position in range(end):
                connection.sendall(data[position : position + 1])
                time.sleep(float(argument) / end)
            data = data[end:]
        self.answered_at[number] = time.time()
        connection.sendall(data)
        if fault == "then-close":
            self._closing.wait(float(argument))
        if fault == "half-closed":
            connection.shutdown(socket.SHUT_WR)
            self._closing.wait(HANG_SECONDS)
        return fault not in ("short", "half-closed", "then-close", "until-close", "garbage")


def reset(connection: socket.socket) -> None:
    """Close it with RST, which is what a linger time of zero means."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer(behaviour: str, number: int, query: dict[str, list[str]], body: bytes) -> bytes:
    """The bytes of the answer to a request."""
    fault, _, argument = behaviour.partition(" ")
    if fault == "garbage":
        return b"SSH-2.0-server\r\n\r\n"
    query = dict(query)
    if fault == "other":
        query["probe"] = [str(number + 1)]
    elif fault == "run":
        query["run"] = ["another"]
    elif fault == "corrupt":
        body = bytes([body[0] ^ 1]) + body[1:]
    text = json.dumps(
        {
            "host": "pod", "version": "1", "query": query,
            "body_bytes": len(body), "body_sha256": hashlib.sha256(body).hexdigest(),
        }
    ).encode()  # fmt: skip
    if fault == "chunked":
        pieces = b"".join(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in (text[:10], text[10:]))
        head = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + pieces + b"0\r\nTrailer: x\r\n\r\n"
    if fault == "until-close":
        return b"HTTP/1.1 200 OK\r\n\r\n" + text
    status = int(argument) if fault == "status" else 307 if fault == "moved" else 200
    location = f"Location: http://127.0.0.1:{argument}/echo\r\n" if fault == "moved" else ""
    length = len(text) + {"short": 10, "half-closed": 10, "excess": -1}.get(fault, 0)
    return f"HTTP/1.1 {status} X\r\nX-Pod: pod-a\r\n{location}Content-Length: {length}\r\n\r\n".encode() + text


@contextmanager
def faulty_server(behaviour: Behaviour, reset_connections: frozenset[int] = frozenset()) -> Iterator[FaultyServer]:
    """A server for the `with` block."""
    server = FaultyServer(behaviour, reset_connections)
    try:
        yield server
    finally:
        server.close()
