"""Answers that wait for a moment, to be sent together.

With each answer the kernel runs its whole way to the client, and drives the application out of the processor's caches:
the next request takes longer, by a sixth where answers are small (docs/speed.md). So while more requests wait for the
thread that runs them one after the other, it holds back their answers, and sends them all when there are no more
requests, or HOLD_SECONDS have passed. If a request blocks meanwhile, the main thread sends them.
"""

from __future__ import annotations

from nodrop.http.connection.connection import Connection

HOLD_SECONDS = 0.002
"""For how long answers are held back while requests go on. One that begins before may take up to BLOCKED_SECONDS."""


class HeldAnswers:
    """Those of a worker. Whoever calls holds the loop's lock."""

    def __init__(self) -> None:
        self.until = 0.0
        """When these are to be sent, by time.monotonic()."""
        self._thread = -1
        self._connections: list[Connection] = []

    def __len__(self) -> int:
        return len(self._connections)

    def allow(self, thread: int, now: float) -> None:
        """The answer to the request that the thread with this number begins now may be held back."""
        self._thread = thread
        if not self._connections:
            self.until = now + HOLD_SECONDS

    def forbid(self) -> None:
        """No answer may be, until `allow` is called again."""
        self._thread = -1

    def add(self, connection: Connection, data: bytes, now: float) -> bool:
        """Hold back the last of the connection's answer; False if it is to be sent at once."""
        if connection.thread != self._thread or now >= self.until or not connection.outgoing.hold(data):
            return False
        self._connections.append(connection)
        return True

    def take(self) -> list[Connection]:
        """Those whose answers are to be sent now, in the order in which they were held back."""
        connections, self._connections = self._connections, []
        return connections
