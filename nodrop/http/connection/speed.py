"""How fast a client sends its body, of late."""

import math

MEMORY_SECONDS = 1.0
"""After which time what has come counts for a third (1/e) of what comes now."""
SHORTEST_SECONDS = 0.05
"""A body is taken to have been arriving for this long, at least. In less, nothing can be said about its speed."""


class Speed:
    """Bytes a second, as an average that forgets.

    Not since the body began: a client could send most of it at once, and be taken for a fast one for the rest. A body
    that has only begun has its speed since then; it would else be the slowest of all, however fast its client is.
    """

    def __init__(self, now: float) -> None:
        """now: when the body begins, by time.monotonic()."""
        self._began = self._at = now
        self._speed = 0.0

    def add(self, size: int, now: float) -> None:
        """So many bytes have come."""
        self._speed = self._faded(now) + size / MEMORY_SECONDS
        self._at = now

    def is_known(self, now: float) -> bool:
        """Whether it has been arriving for long enough for its speed to say something."""
        return now - self._began >= SHORTEST_SECONDS

    def at(self, now: float) -> float:
        """The speed, in bytes a second."""
        age = max(now - self._began, SHORTEST_SECONDS)
        # The part of an average of all times that is since the beginning; nothing has come before.
        return self._faded(now) / -math.expm1(-age / MEMORY_SECONDS)

    def _faded(self, now: float) -> float:
        return self._speed * math.exp((self._at - now) / MEMORY_SECONDS)
