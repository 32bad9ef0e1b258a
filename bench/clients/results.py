"""What a client counts of what it sent."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Result:
    """Requests of one run by how they ended, and how long the answered ones took.

    answered: with a status below 400. status: with another. refused: nobody took the connection. reset: the connection
    was closed or reset after a request was sent on it and before all of its answer came. timeout: no answer in time.
    """

    answered: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    refused: int = 0
    reset: int = 0
    timeout: int = 0
    status: int = 0
    longest_ms: float = 0.0
    answered_later: int = 0
    """Answers of a closed loop that came after its end: they are no part of its throughput, but they cost CPU time."""
    late_p99_ms: float = 0.0
    """How late the client itself was with sending: what it adds to a latency at most."""

    @property
    def rps(self) -> float:
        """Requests answered a second."""
        return self.answered / self.seconds

    @property
    def faults(self) -> dict[str, int]:
        """The requests that were not answered, by why, without what did not happen."""
        names = [each.name for each in fields(self) if each.name in ("refused", "reset", "timeout", "status")]
        return {name: getattr(self, name) for name in names if getattr(self, name)}
