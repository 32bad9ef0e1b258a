"""Requests as bytes, for what no HTTP client would send."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from dataclasses import dataclass
from http.client import HTTPResponse

from tests.serving_process import Server

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python does not name it


def connect(server: Server) -> socket.socket:
    """A connection to the application's port."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def receive_all(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def vanish(client: socket.socket) -> None:
    """Let the kernel drop all that arrives for the client, as if its machine were gone: it acknowledges nothing."""
    # A socket filter of one instruction: return, keep 0 bytes (linux/filter.h).
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0), 8)
    client.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(instruction)))


def exchange(server: Server, data: bytes) -> bytes:
    """Send bytes on a connection of their own and return all that is answered until the server closes."""
    with connect(server) as client:
        client.sendall(data)
        return receive_all(client)


def assert_answered_at_stop(client: socket.socket, request: bytes) -> None:
    """Check what a client must be told whose request, sent already, reaches the worker together with SIGTERM.

    A thread may answer before the main thread takes the signal. The connection is kept then, and each request that
    follows on it is answered too.
    """
    deadline = time.monotonic() + 2
    while _answered(client):
        assert time.monotonic() < deadline, "a worker that has begun to stop keeps connections"
        client.sendall(request)


def _answered(client: socket.socket) -> bool:
    """Read an answer, which must be 200; whether the server keeps the connection."""
    with HTTPResponse(client) as answer:
        answer.begin()
        answer.read()
        assert answer.status == 200
        return not answer.will_close


@dataclass(frozen=True)
class RawAnswer:
    """One answer: its status, its headers with names in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def split(data: bytes) -> list[RawAnswer]:
    """The answers in a stream of bytes. Chunked ones are left as they are, up to the end of the data."""
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(status_line.split(" ")[1])
        length = 0 if status < 200 else int(headers.get("content-length", len(data)))
        answers.append(RawAnswer(status, headers, data[:length]))
        data = data[length:]
    return answers
