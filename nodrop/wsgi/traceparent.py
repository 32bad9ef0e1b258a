"""The `traceparent` header of W3C Trace Context, levels 1 and 2: who called, and in which trace."""

from __future__ import annotations

import re
from typing import NamedTuple

SAMPLED = 0x01
RANDOM = 0x02

# Lower case only. What follows the flags is for later versions, and begins with a dash. No comma anywhere: it would be
# two headers that a server has joined, and neither of two callers can be trusted.
_FORMAT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?", re.ASCII | re.DOTALL)


class TraceParent(NamedTuple):
    """The caller's place in a trace. Ids are lower-case hex digits and never all zero."""

    trace_id: str
    """32 digits."""
    parent_id: str
    """16 digits: the caller's span."""
    flags: int
    """SAMPLED, RANDOM or both."""

    def __str__(self) -> str:
        """The header, in version 00."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"


def parse(header: str) -> TraceParent | None:
    """The header's content, or None if the specification calls it invalid.

    A version that is not known yet is read as far as it is: the ids and whether the trace is sampled.
    """
    found = _FORMAT.fullmatch(header)
    if not found:
        return None
    version, trace_id, parent_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return TraceParent(trace_id, parent_id, int(flags, 16) & (SAMPLED | RANDOM if version == "00" else SAMPLED))
