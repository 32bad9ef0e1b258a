"""The socket, for an application that takes the connection over, such as for a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection

_ASKING = frozenset({"getpeername", "getsockname", "getsockopt", "family", "type", "proto"})


class TakenOver:
    """From its first use on, other than to ask about it, it waits for the client as the application asks it to, and
    nothing else is sent or read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in _ASKING:
            self._connection.take_over()
        return getattr(self._connection.sock, name)
