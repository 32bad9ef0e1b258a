"""What is kept of a request, and what can go wrong with one."""

import functools
import json
from typing import NamedTuple


class Record(NamedTuple):
    """What became of one request. Times are seconds since the epoch; 0.0 where it did not get that far."""

    number: int
    scheduled: float
    """When it was due."""
    sent: float
    """When the prober began to look up, connect or send; later than scheduled only if the prober fell behind."""
    first_byte: float
    done: float
    """When the whole answer was there, or the failure was known."""
    status: int
    host: str
    """The pod that answered."""
    version: str
    """The version that answered."""
    error: str
    """Empty if answered."""


class Failure(Exception):  # a result, not a programming error
    """A request failed; the argument is the class of error."""


# Pods, versions and errors are few, and the same ones come again and again.
_text = functools.lru_cache(maxsize=1024)(json.dumps)


def line(record: Record) -> str:
    """The record as one line of JSON, an array in the order of the fields; times to the microsecond."""
    number, scheduled, sent, first_byte, done, status, host, version, error = record
    return (
        f"[{number},{scheduled:.6f},{sent:.6f},{first_byte:.6f},{done:.6f},{status},"
        f"{_text(host)},{_text(version)},{_text(error)}]\n"
    )
