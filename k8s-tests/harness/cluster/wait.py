"""Wait for a condition. Polled against a monotonic deadline, because watches stall."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], *, timeout: float, interval: float = 0.5) -> T:
    """Return the first true value of `condition`, asked every `interval` seconds.

    Raises AssertionError, which says `what` was waited for, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last seen: {value!r})")
        time.sleep(interval)
