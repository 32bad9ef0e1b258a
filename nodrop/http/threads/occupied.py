"""Whether a thread that takes long computes, or waits for something else than a processor."""

from __future__ import annotations

import threading
import time

ENOUGH_SECONDS = 0.002
"""Less time than this between two looks says nothing."""

WINDOW_SECONDS = 0.02
"""Over how long requests are looked at together."""


class Occupied:
    """Looks at one thread again and again."""

    def __init__(self) -> None:
        self._request = 0
        self._looked = 0.0
        self._occupied = 0.0

    def waits(self, request: int, thread: threading.Thread) -> bool | None:
        """Whether the thread has mostly waited since the first look at it in this request, which has this number.

        None if that look was just now. Time on a processor and time in its queue do not count: where the processors are
        busy, giving the thread's work to others makes nothing faster. True where the system does not tell.
        """
        occupied, now = _occupied_seconds(thread), time.monotonic()
        if request != self._request:
            self._request, self._looked, self._occupied = request, now, occupied
        took = now - self._looked
        return None if took < ENOUGH_SECONDS else occupied - self._occupied < took / 2


class ManyWaits:
    """Whether requests that are too short to be looked at one by one wait, in all, for most of their time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._looked = 0.0
        self._spent = 0.0
        self._occupied = 0.0

    def seen(self, thread: threading.Thread, spent: float) -> bool:
        """Whether the thread has mostly been in requests since an earlier look, and has mostly waited there.

        spent: seconds that it has been in requests, from any beginning. False where the system does not tell.
        """
        now = time.monotonic()
        elapsed, same = now - self._looked, thread is self._thread
        if same and elapsed < WINDOW_SECONDS:
            return False
        occupied = _occupied_seconds(thread)
        in_requests, working = spent - self._spent, occupied - self._occupied
        self._thread, self._looked, self._spent, self._occupied = thread, now, spent, occupied
        return same and occupied > 0 and in_requests > elapsed / 2 and working < in_requests / 2


def _occupied_seconds(thread: threading.Thread) -> float:
    """Seconds that the thread has been on a processor, or has waited for one; 0 where the system does not tell."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 - half the cost
            on_processor, in_queue, _ = file.read(64).split()
    except (OSError, ValueError):
        return 0.0
    return (int(on_processor) + int(in_queue)) / 1e9
