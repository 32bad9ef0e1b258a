"""The socket, for an application that takes the connection over, such as for a WebSocket."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection

_QUESTIONS = frozenset({"fileno", "getpeername", "getsockname", "getsockopt", "setsockopt"})
"""Methods that neither send nor receive anything, now or later."""


class TakenOver:
    """`gunicorn.socket` in the environment. The first call that sends or receives takes the connection over.

    From then on the socket waits for the client as the application asks it to, and nothing else is sent or read. To ask
    about it changes nothing: hasattr(), its methods that are not called, `fileno()` for a selector, `gettimeout()`.
    """

    def __init__(self, connection: Connection) -> None:
        self.when_taken_over: list[Callable[[], None]] = []
        """Called by the thread that takes the connection over, while the application still knows its request."""
        self._connection = connection
        self._ended = False

    @property
    def taken_over(self) -> bool:
        """Whether the application has taken the connection over."""
        return self._connection.taken_over

    def end(self) -> None:
        """The request is over: what did not take the connection over by now can't do so any more."""
        self._ended = not self.taken_over
        self.when_taken_over.clear()

    def close(self) -> None:
        """Close the connection, for the client and all threads that wait for it. The descriptor is closed by the loop,
        which may be waiting for it."""
        self._take_over()
        self._connection.shut_down()

    def gettimeout(self) -> float | None:
        """As the socket of one that takes it over now: it waits without a limit."""
        return self._connection.sock.gettimeout() if self.taken_over else None

    def getblocking(self) -> bool:
        """Likewise."""
        return self.gettimeout() != 0

    @property
    def timeout(self) -> float | None:
        """Likewise."""
        return self.gettimeout()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._connection.sock, name)
        if name in _QUESTIONS or not callable(value):
            return value

        def take_over(*arguments: Any, **options: Any) -> Any:
            self._take_over()
            return value(*arguments, **options)

        return take_over

    def _take_over(self) -> None:
        if self._ended:
            raise OSError(errno.EBADF, "the request that this socket belonged to is over")
        if not self.taken_over:
            self._connection.take_over()
            for function in self.when_taken_over:
                function()
