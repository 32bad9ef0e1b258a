"""Random ids, from the system but not by a call to it for each request.

From the system, because the application may seed `random` the same in every process. A block of random digits serves
many requests; a process that is forked begins with one of its own.
"""

from __future__ import annotations

import os

DIGITS = 48
"""Hex digits for one request: 32 for its trace, or itself, and 16 for its span."""
BLOCK = 128
"""Requests that are served from one block."""
_left: list[str] = []
os.register_at_fork(after_in_child=_left.clear)


def digits() -> str:
    """So many hex digits that nobody else gets, nor has got."""
    try:
        # One thread alone gets each.
        return _left.pop()
    except IndexError:
        text = os.urandom(BLOCK * DIGITS // 2).hex()
        first, *others = (text[at : at + DIGITS] for at in range(0, len(text), DIGITS))
        _left.extend(others)
        return first
