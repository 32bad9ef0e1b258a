"""What a client may do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The settings that a connection needs to know."""

    head: int
    """Bytes of a request line and its headers together."""
    body: int
    """Bytes of a request's body."""
    write_seconds: float
    """How long a client may take nothing of its answer."""
