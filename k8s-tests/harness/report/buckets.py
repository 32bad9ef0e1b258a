"""From a scenario's records to what its timeline shows: requests, failures, latency and pods for each slice of time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.measuring.records import percentile
from prober import Record

MOST_BUCKETS = 200
WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)


@dataclass(frozen=True)
class Failure:
    """A failed request and the prober that sent it."""

    prober: str
    record: Record


@dataclass(frozen=True)
class Pod:
    """A pod that answered, in which buckets: `spans` are (first, last) of adjacent ones."""

    host: str
    version: str
    spans: list[tuple[int, int]]


@dataclass(frozen=True)
class Buckets:
    """What became of the requests that were due in each bucket of `width` seconds from `start` (since the epoch) on."""

    start: float
    end: float
    width: float
    answered: list[int]
    failed: dict[str, list[int]]
    """By class of error, those most frequent first."""
    p50_ms: list[float | None]
    """Of answered requests, None where there is none; so with p99_ms."""
    p99_ms: list[float | None]
    failures: list[Failure]
    """Every failed request, by when it was due."""
    pods: list[Pod]
    """By when each answered first."""

    def seconds(self, index: int) -> float:
        """The length of a bucket: the last may be shorter."""
        return min(self.width, self.end - self.start - index * self.width) or self.width


def cut(records: Mapping[str, Sequence[Record]], start: float, end: float) -> Buckets | None:
    """Cut the records of each prober into buckets from `start` to `end`, or wider where records go beyond.

    None where there are no records.
    """
    dues = [r.scheduled for kept in records.values() if kept for r in (kept[0], kept[-1])]
    if not dues:
        return None
    start, end = min([start or dues[0], *dues]), max([end, *dues])
    # No bucket may be without a length, also when there is one request only.
    end = max(end, start + WIDTHS[0])
    width = next((width for width in WIDTHS if (end - start) / width <= MOST_BUCKETS), (end - start) / MOST_BUCKETS)
    # A request that is due at the very end belongs to the last bucket, not to one more.
    last = max(0, math.ceil(round((end - start) / width, 6)) - 1)

    latencies: list[list[float]] = [[] for _ in range(last + 1)]
    seen: set[tuple[str, str, int]] = set()
    failures = []
    # The one loop over all records, some hundred thousand: it does as little as it can.
    for prober, kept in records.items():
        for record in kept:
            index = min(last, int((record.scheduled - start) / width))
            if record.error:
                failures.append(Failure(prober, record))
            else:
                latencies[index].append(record.done - record.scheduled)
                seen.add((record.version, record.host, index))
    for took in latencies:
        took.sort()
    failures.sort(key=lambda failure: failure.record.scheduled)
    failed = {}
    for error, _ in Counter(failure.record.error for failure in failures).most_common():
        failed[error] = [0] * (last + 1)
    for failure in failures:
        failed[failure.record.error][min(last, int((failure.record.scheduled - start) / width))] += 1
    return Buckets(
        start=start,
        end=end,
        width=width,
        answered=[len(took) for took in latencies],
        failed=failed,
        p50_ms=[percentile(took, 0.5) * 1000 if took else None for took in latencies],
        p99_ms=[percentile(took, 0.99) * 1000 if took else None for took in latencies],
        failures=failures,
        pods=_pods(seen),
    )


def _pods(seen: set[tuple[str, str, int]]) -> list[Pod]:
    """The pods, from the buckets (as version, host, index) in which each answered."""
    indexes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for version, host, index in sorted(seen):
        indexes[version, host].append(index)
    pods = []
    for (version, host), answered in indexes.items():
        spans: list[tuple[int, int]] = []
        for index in answered:
            if spans and index == spans[-1][1] + 1:
                spans[-1] = (spans[-1][0], index)
            else:
                spans.append((index, index))
        pods.append(Pod(host, version, spans))
    return sorted(pods, key=lambda pod: (pod.spans[0][0], pod.version, pod.host))
