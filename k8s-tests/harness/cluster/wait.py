"""Wait for a condition. Polled against a monotonic deadline, because watches stall."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from harness.cluster.shell import CommandError

T = TypeVar("T")

UNAVAILABLE = re.compile(
    r"Unable to connect to the server|connection (refused|reset)|TLS handshake timeout|i/o timeout|unexpected EOF|"
    r"error dialing backend|etcdserver:|ServiceUnavailable|InternalError|TooManyRequests|"
    r"the server is currently unable"
)
"""What kubectl says if the API server does not answer, or can't."""


def until(what: str, condition: Callable[[], T], *, timeout: float, interval: float = 0.5) -> T:
    """Return the first true value of `condition`, asked every `interval` seconds.

    An API server that does not answer is asked again until the deadline; any other error of `condition` ends the wait.
    Raises AssertionError, which says `what` was waited for, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = condition()
            if value:
                return value
            seen = repr(value)
        except (ApiException, HTTPError, CommandError) as error:
            if not is_unavailable(error):
                raise
            seen = str(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last seen: {seen})")
        time.sleep(interval)


def is_unavailable(error: Exception) -> bool:
    """Whether the API server did not answer, or could not: it may the next time."""
    if isinstance(error, ApiException):
        return error.status is None or error.status == 429 or error.status >= 500
    return isinstance(error, HTTPError) or bool(UNAVAILABLE.search(str(error)))
