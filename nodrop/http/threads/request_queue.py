"""Complete requests that wait for a thread, in the order in which they came."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable

from nodrop.http.connection.connection import Connection

LOOK_FOR_CLIENT_SECONDS = 0.05
"""How long a request has to have waited for its client to be looked for: most clients wait, and asking costs a system
call."""

Work = Connection | Callable[[], None]
"""A connection with a complete request; or what is left to be done of a request whose answer is sent."""


class RequestQueue:
    """The queue of one worker. Whoever calls holds the loop's lock."""

    def __init__(
        self, timeout: float, *, too_late: Callable[[Connection], None], gone: Callable[[Connection], None]
    ) -> None:
        """timeout: how long a request may wait, in seconds; 0 for any time.

        too_late: called with a connection whose request has waited longer. gone: with one whose client has given up.
        """
        self._timeout = timeout
        self._too_late = too_late
        self._gone = gone
        self._waiting: collections.deque[tuple[float, Work]] = collections.deque()
        self.blocked_since = 0.0
        """Since when requests wait and no thread has taken one, by time.monotonic(); 0 if none has waited since then.
        That requests are turned away changes nothing."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_since(self) -> float:
        """When the oldest of these began to wait; 0 if there is none."""
        return self._waiting[0][0] if self._waiting else 0.0

    def put(self, work: Work) -> None:
        """Add it at the end."""
        now = work.handed_over if type(work) is Connection else time.monotonic()
        self._waiting.append((now, work))
        if not self.blocked_since:
            self.blocked_since = now

    def take(self, now: float) -> Work | None:
        """The first that is still worth running; None if there is none. now: by time.monotonic()."""
        waiting = self._waiting
        if waiting and now - waiting[0][0] > self._timeout:
            self.expire(now)
        while waiting:
            since, work = waiting.popleft()
            if not isinstance(work, Connection):
                break
            if now - since > LOOK_FOR_CLIENT_SECONDS and work.client_is_gone():
                self._gone(work)
                continue
            break
        else:
            self.blocked_since = 0.0
            return None
        self.blocked_since = now if waiting else 0.0
        return work

    def expire(self, now: float) -> None:
        """Turn away what has waited for too long."""
        kept = []
        while self._timeout and self._waiting and now - self._waiting[0][0] > self._timeout:
            entry = self._waiting.popleft()
            if isinstance(entry[1], Connection):
                self._too_late(entry[1])
            else:
                # Its client has the answer; it is not worse for being late. Requests behind it are.
                kept.append(entry)
        self._waiting.extendleft(reversed(kept))
