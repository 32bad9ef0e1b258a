"""How fast a client sends its body, of late."""

import math

MEMORY_SECONDS = 1.0
"""After which time what has come counts for a third (1/e) of what comes now."""


class Speed:
    """Bytes a second, as an average that forgets.

    Not since the body began: a client could send most of it at once, and be taken for a fast one for the rest.
    """

    def __init__(self, now: float) -> None:
        """now: when the body begins, by time.monotonic()."""
        self._at = now
        self._speed = 0.0

    def add(self, size: int, now: float) -> None:
        """So many bytes have come."""
        self._speed = self.at(now) + size / MEMORY_SECONDS
        self._at = now

    def at(self, now: float) -> float:
        """The speed, in bytes a second."""
        return self._speed * math.exp((self._at - now) / MEMORY_SECONDS)
