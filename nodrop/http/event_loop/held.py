"""Answers that wait for a moment, to be sent together.

With each answer the kernel runs its whole way to the client, and drives the application out of the processor's caches:
the next request takes longer, by a sixth where answers are small (docs/speed.md). So while more requests wait for the
thread that runs them one after the other, it holds back their answers, and sends them all when there are no more
requests, or HOLD_SECONDS have passed.

If a request blocks meanwhile, the main thread sends them, some 10 ms later; or as soon as it can, if that request keeps
the interpreter's lock. So answers are held back only after CALM_SECONDS without such a request, and only those to safe
methods (response.py): a worker that dies in one request must not take with it what another has changed and answered.
"""

from __future__ import annotations

from nodrop.http.connection.connection import Connection

HOLD_SECONDS = 0.002
"""For how long answers are held back while requests go on."""
CALM_SECONDS = 1.0
MOST = 8
"""More answers at once save no more. And the main thread may have to wait for the interpreter's lock with each."""


class HeldAnswers:
    """Those of a worker. Whoever calls holds the loop's lock."""

    def __init__(self) -> None:
        self._until = 0.0
        self.thread = -1
        """The number of the thread whose answers may be held back; -1 for none."""
        self._not_before = 0.0
        self._connections: list[Connection] = []

    def __len__(self) -> int:
        return len(self._connections)

    def is_due(self, now: float) -> bool:
        """Whether these are to be sent, though other requests wait."""
        return now >= self._until or len(self._connections) >= MOST

    def allow(self, thread: int, now: float) -> None:
        """The answer to the request that the thread with this number begins now may be held back."""
        if now < self._not_before:
            return
        self.thread = thread
        if not self._connections:
            self._until = now + HOLD_SECONDS

    def forbid(self) -> None:
        """No answer may be, until `allow` is called again."""
        self.thread = -1

    def pause(self, now: float) -> None:
        """A request has blocked its thread: hold back nothing for a while."""
        self.forbid()
        self._not_before = now + CALM_SECONDS

    def add(self, connection: Connection, data: bytes, now: float) -> bool:
        """Hold back the last of the connection's answer; False if it is to be sent at once."""
        if connection.thread != self.thread or now >= self._until or not connection.outgoing.hold(data, now):
            return False
        self._connections.append(connection)
        return True

    def take(self) -> list[Connection]:
        """Those whose answers are to be sent now, in the order in which they were held back."""
        connections, self._connections = self._connections, []
        return connections
