"""From a prober's records to figures: what failed, how long nothing succeeded, how long answers took."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prober import Record

MAX_LATENESS_SECONDS = 0.3
"""A prober that sent any request later than this makes the run invalid.

It is the longest outage that could stay unseen, if it fell into just the time in which every prober was held up. Twice
the most that was seen in a scenario on two cores that run three nodes: 0.15 s.
"""


class InvalidRun(AssertionError):
    """The measurement can't be trusted, whatever it shows."""


def parse(text: str, sent: int) -> list[Record]:
    """The records of a records.jsonl, by number; `sent` is how many requests the prober says were due.

    Raises InvalidRun unless every number from 0 to `sent` - 1 is there once: a request without a record could be a
    lost one.
    """
    try:
        # All at once: a call for each line takes a third longer, and there may be a million.
        records = sorted(map(Record._make, json.loads(f"[{','.join(text.splitlines())}]")))
    except (ValueError, TypeError) as error:
        raise InvalidRun(f"the prober's records can't be read: {error}") from None
    if [record.number for record in records] != list(range(sent)):
        raise InvalidRun(f"the prober's records are not complete: {len(records)} of {sent}")
    return records


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The smallest value of `ordered` (ascending) that at least `fraction` of the values do not exceed; 0 for none."""
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] if ordered else 0.0


def _lateness(record: Record) -> float:
    """Seconds from when a request was due until it was sent, or until it was seen that it could not be."""
    return (record.sent or record.done) - record.scheduled


@dataclass(frozen=True)
class Figures:
    """What a prober saw. Latency is from when a request was due to its whole answer, of answered requests."""

    name: str
    scheduled: int
    """How many requests were due."""
    sent: int
    """How many of them were sent; fewer only if the prober ran into a bound of its own, which is a failure."""
    failed: int
    errors: dict[str, int]
    """How many failed with each class of error."""
    max_gap_s: float
    """The longest time for which no request that fell due was answered, from the last that was before it to the first
    that was after it; 1 / rate if none failed. The first and the last request count as answered, so that nothing but
    failures is one gap. A request that was answered late is no gap: that is what the percentiles are for.
    """
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_lateness_s: float
    """How long after it was due the latest request was sent: what the prober, not the server, was behind."""

    @classmethod
    def of(
        cls,
        name: str,
        records: Iterable[Record],
        start: float = -math.inf,
        end: float = math.inf,
        over_by: float = math.inf,
    ) -> Figures:
        """The figures of those of these records, in order of number, that were due from `start` until before `end`.

        start, end: seconds since the epoch, such as when a phase of a scenario began and ended. over_by: only those
        whose result was known before then. Raises InvalidRun for no records at all.
        """
        records = [record for record in records if start <= record.scheduled < end and record.done < over_by]
        if not records:
            raise InvalidRun(f"{name}: no requests were sent")
        answered = [record for record in records if not record.error]
        latencies = sorted((record.done - record.scheduled) * 1000 for record in answered)
        # The ends count too: nothing but failures until the end is a gap until the end.
        successes = [records[0].scheduled, *(record.scheduled for record in answered), records[-1].scheduled]
        return cls(
            name=name,
            scheduled=len(records),
            sent=sum(record.sent > 0 for record in records),
            failed=len(records) - len(answered),
            errors=dict(Counter(record.error for record in records if record.error)),
            max_gap_s=round(max(later - earlier for earlier, later in itertools.pairwise(successes)), 3),
            p50_ms=round(percentile(latencies, 0.5), 1),
            p99_ms=round(percentile(latencies, 0.99), 1),
            p999_ms=round(percentile(latencies, 0.999), 1),
            max_lateness_s=round(max(_lateness(record) for record in records), 3),
        )

    def require_valid(self) -> None:
        """Raise InvalidRun if the prober fell behind its schedule."""
        if self.max_lateness_s > MAX_LATENESS_SECONDS:
            raise InvalidRun(
                f"{self.name}: a request was sent {self.max_lateness_s} s late (at most {MAX_LATENESS_SECONDS}): "
                "the machine is too busy to measure on"
            )

    def __str__(self) -> str:
        errors = f" ({', '.join(f'{count} {kind}' for kind, count in self.errors.items())})" if self.errors else ""
        return (
            f"{self.name}: {self.sent} sent, {self.failed} failed{errors}, largest gap {self.max_gap_s:.2f} s, "
            f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms, p99.9 {self.p999_ms:.0f} ms, "
            f"sent at most {self.max_lateness_s * 1000:.0f} ms late"
        )
