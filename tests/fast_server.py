"""A server that costs next to nothing, in a process of its own: what the prober's own cost is measured against.

`python -m tests.fast_server` prints its port, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[1]


class Echo(asyncio.Protocol):
    """Answers each request as /echo and /sleep of the example application do."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            taken = take_body(head, rest)
            if taken is None:
                return
            body, self._buffer = taken
            query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
            asyncio.get_running_loop().call_later(
                float(query.get("ms", ["0"])[0]) / 1000, self._answer, query, body, b"Connection: close" in head
            )

    def _answer(self, query: dict[str, list[str]], body: bytes, close: bool) -> None:
        described = {"host": "web-7f5db748f4-7zptc", "version": "1.2.3", "query": query}
        described |= {"body_bytes": len(body), "body_sha256": hashlib.sha256(body).hexdigest()}  # type: ignore[dict-item]
        text = json.dumps(described).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        if close:
            self._transport.close()


def take_body(head: bytes, rest: bytes) -> tuple[bytes, bytes] | None:
    """The body of the request with this head and what follows it, or None while it is not complete."""
    head = head.lower()  # A proxy in between writes names its own way.
    if b"transfer-encoding: chunked" in head:
        body = b""
        while True:
            size, found, rest = rest.partition(b"\r\n")
            length = int(size, 16) if found else 0
            if not found or len(rest) < length + 2:
                return None
            body, rest = body + rest[:length], rest[length + 2 :]
            if not length:
                return body, rest
    _, _, value = head.partition(b"content-length: ")
    length = int(value.partition(b"\r\n")[0] or 0)
    return (rest[:length], rest[length:]) if len(rest) >= length else None


async def serve() -> None:
    """Serve until the input ends."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


@contextmanager
def fast_server() -> Iterator[int]:
    """The server, for the `with` block; yields its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fast_server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve())
