"""Servers that read HTTP carelessly, each in one way that real servers have had: the tests must find them out."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum
from pathlib import Path
from types import TracebackType

from tests.differential.application import SEEN, record, seen


class Laxity(Enum):
    """What a server takes lightly."""

    NONE = "nothing"
    IGNORES_CHUNKS = "a body in chunks has no length"
    LENGTH_WINS = "of a length and chunks it takes the length"
    NO_BODY_OF_GET = "GET has no body"
    UNDERSCORES = "Content_Length is Content-Length"
    LAST_LENGTH = "of two lengths it takes the last"
    LENIENT_NUMBERS = "what Python's int() takes is a number"
    BARE_LF = "a line may end without CR"
    GOES_ON = "after a request that it refuses it goes on with the next line"


class _Refused(Exception):
    pass


class LaxServer:
    """Serves in this process, for the `with` block, what tests/differential/application.py does."""

    def __init__(self, laxity: Laxity, seen_file: Path) -> None:
        self._laxity = laxity
        self._seen_file = seen_file
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        seen_file.touch()

    def __enter__(self) -> LaxServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, (address, _) = self._listener.accept()
                threading.Thread(target=self._serve, args=(client, address), daemon=True).start()

    def _serve(self, client: socket.socket, address: str) -> None:
        with contextlib.suppress(OSError, EOFError), client:
            connection = _Connection(client, self._laxity)
            keep = True
            while keep:
                try:
                    method, target, host, body, keep = connection.request()
                except (_Refused, ValueError):
                    keep = self._laxity is Laxity.GOES_ON
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    continue
                line = seen(method, target, host, body)
                record(self._seen_file, address, line)
                answer = f"HTTP/1.1 200 OK\r\n{SEEN}: {line}\r\nContent-Length: 3\r\n"
                answer += f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
                answer += "" if method == "HEAD" else "ok\n"
                client.sendall(answer.encode("latin-1"))
            client.shutdown(socket.SHUT_WR)


class _Connection:
    def __init__(self, client: socket.socket, laxity: Laxity) -> None:
        self._client = client
        self._file = client.makefile("rb")
        self._laxity = laxity

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        if not line.endswith(b"\r\n") and self._laxity is not Laxity.BARE_LF:
            raise _Refused
        return line.rstrip(b"\r\n")

    def request(self) -> tuple[str, str, str, bytes, bool]:
        """Method, target, host and body of the next request, and whether the connection is kept."""
        method, target, version = (self._line() or self._line()).decode("latin-1").split(" ")
        fields: dict[str, list[str]] = {}
        while line := self._line():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name != name.strip() or not name.isascii():
                raise _Refused
            if self._laxity is Laxity.UNDERSCORES:
                name = name.replace("_", "-")
            fields.setdefault(name.lower(), []).append(value.strip(" \t"))
        body = self._body(method, fields)
        options = ",".join(fields.get("connection", [])).lower()
        keep = "close" not in options and method != "CONNECT" and (version != "HTTP/1.0" or "keep-alive" in options)
        return method, target, ",".join(fields.get("host", [])), body, keep

    def _body(self, method: str, fields: dict[str, list[str]]) -> bytes:
        laxity, lengths = self._laxity, fields.get("content-length", [])
        if method == "GET" and laxity is Laxity.NO_BODY_OF_GET:
            return b""
        if "transfer-encoding" in fields and laxity is not Laxity.IGNORES_CHUNKS:
            if lengths and laxity is not Laxity.LENGTH_WINS:
                raise _Refused
            if not lengths:
                return self._chunks()
        if len(lengths) > 1 and laxity not in (Laxity.LAST_LENGTH, Laxity.UNDERSCORES):
            raise _Refused
        return self._read(self._number(lengths[-1], 10)) if lengths else b""

    def _number(self, text: str, base: int) -> int:
        if not text.isalnum() and self._laxity is not Laxity.LENIENT_NUMBERS:
            raise _Refused
        return int(text, base)

    def _chunks(self) -> bytes:
        body = b""
        while size := self._number(self._line().decode("latin-1").partition(";")[0], 16):
            body += self._read(size)
            if self._line():
                raise _Refused
        while self._line():
            pass
        return body

    def _read(self, size: int) -> bytes:
        if not 0 <= size <= 20_000_000:
            raise _Refused
        body = self._file.read(size)
        if len(body) < size:
            raise EOFError
        return body
