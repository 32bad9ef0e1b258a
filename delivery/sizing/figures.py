"""What was measured. Times are in seconds, memory in bytes; None: it could not be measured here."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """One start, from the process to the first 200 of /readyz."""

    seconds: float
    cpu: float | None
    first_request: float | None
    """How long the application took for the first request, which is part of the start."""


@dataclass(frozen=True)
class Series:
    """Requests for one path, one at a time."""

    path: str
    seconds: tuple[float, ...]
    """What each took, as the client saw it."""
    cpu: float | None
    """CPU time a request."""
    delay: float = 0.0
    """Time a request in which a thread of the server could have run, but other processes had the CPU."""

    @property
    def mean(self) -> float:
        """Of a request."""
        return statistics.fmean(self.seconds)

    @property
    def wait(self) -> float | None:
        """Time a request in which it waited for something else than a CPU."""
        return None if self.cpu is None else max(0.0, self.mean - self.cpu - self.delay)


@dataclass(frozen=True)
class Burst:
    """Requests of several clients at once, over all paths in turn."""

    clients: int
    requests: int
    seconds: float
    slowest: float
    cpu: float | None
    """CPU time a request."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class MemoryUse:
    """Of all processes of the server together."""

    started: int
    """As soon as it was ready."""
    served: int
    """After all requests."""
    peak: int
    concurrent: int
    """The most that the burst has added to the peak; 0 if it was no higher than before."""
    growth: float
    """Bytes a request, over the second half of those sent one at a time."""
    growth_requests: int
    """So many requests."""


@dataclass(frozen=True)
class Skipped:
    """A path that is not measured."""

    path: str
    why: str


@dataclass(frozen=True)
class Figures:
    """All that was measured of an application."""

    starts: tuple[Start, ...]
    """The first one may have to compile modules, which no pod has to, and to read them from the disk, as the first pod
    of a node has to."""
    series: tuple[Series, ...]
    burst: Burst
    memory: MemoryUse | None
    idle: float | None
    """CPU time a second while no requests are sent."""
    skipped: tuple[Skipped, ...] = ()
    failed: int = 0
    """Requests of the series and the burst that were not answered 2xx."""

    @property
    def start(self) -> float:
        """The median of the starts after the first one."""
        return statistics.median(each.seconds for each in self.starts[1:] or self.starts)

    @property
    def slowest(self) -> float:
        """The slowest request."""
        return max(self.burst.slowest, *(max(each.seconds) for each in self.series))

    @property
    def mean(self) -> float:
        """Of a request sent alone; each path counts the same."""
        return statistics.fmean(each.mean for each in self.series)

    @property
    def disturbed(self) -> float:
        """For which share of the time in which the server could have run, other processes had the CPU."""
        delay = statistics.fmean(each.delay for each in self.series)
        return delay / (delay + self.cpu) if self.cpu else 0.0

    @property
    def wait(self) -> float | None:
        """Time a request sent alone spends waiting; each path counts the same."""
        waits = [each.wait for each in self.series if each.wait is not None]
        return statistics.fmean(waits) if waits else None

    @property
    def cpu(self) -> float | None:
        """CPU time of a request sent alone; each path counts the same."""
        times = [each.cpu for each in self.series if each.cpu is not None]
        return statistics.fmean(times) if times else None
