"""Stands between a proxy and the server, passes everything on as it is, and keeps it."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.differential.client import new_address


class Tapped:
    """A connection of the proxy's. `address`: where the server sees it come from."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.address: str = server.getsockname()[0]
        self.sent = bytearray()
        self.answered = bytearray()
        self._sockets = client, server
        self._pumps = [
            threading.Thread(target=_pump, args=(client, server, self.sent), daemon=True),
            threading.Thread(target=_pump, args=(server, client, self.answered), daemon=True),
        ]
        for pump in self._pumps:
            pump.start()

    def close(self) -> None:
        """End it."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for pump in self._pumps:
            pump.join(10)
        for each in self._sockets:
            each.close()


class Tap:
    """Passes on to `server`, a port of 127.0.0.1."""

    def __init__(self, server: int) -> None:
        self.connections: list[Tapped] = []
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server), None, (new_address(), 0))
            self.connections.append(Tapped(client, server))

    def close(self) -> None:
        """End all connections; what they were is kept."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        for connection in self.connections:
            connection.close()


def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            # Kept first: whoever has an answer finds in here what it is an answer to.
            kept += data
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
