"""What several values depend on: the number of threads, what a pod can serve, and the CPU that it requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from delivery.sizing.figures import Figures
from delivery.sizing.values import formulas
from delivery.sizing.values.defaults import Defaults

LEAST_CPU = 1e-6
"""Of a request, in seconds, so that nothing is divided by 0."""


@dataclass(frozen=True)
class Assumed:
    """What can't be measured."""

    rate: float = 20.0
    """Requests a second that one pod is to serve."""
    growth: float = 0.5
    """By how much the load may grow in a minute; 0.5 is half as much again."""


@dataclass
class Basis:
    """Figures, assumptions and defaults, and what follows from them."""

    figures: Figures
    assumed: Assumed
    defaults: Defaults

    @cached_property
    def request_cpu(self) -> float | None:
        """CPU time of a request: the higher of one sent alone and one of several at once. None: not measured."""
        if self.figures.cpu is None:
            return None
        return max(self.figures.cpu, self.figures.burst.cpu or 0.0, LEAST_CPU)

    @cached_property
    def alone(self) -> float:
        """What a request sent alone takes, without the time in which other processes had the CPU."""
        if self.figures.cpu is None or self.figures.wait is None:
            return self.figures.mean
        return max(self.figures.cpu + self.figures.wait, LEAST_CPU)

    @cached_property
    def at_once(self) -> float:
        """Requests that were in flight on average, when several clients sent them."""
        return formulas.concurrency(self.figures.burst.rate, self.alone)

    @cached_property
    def possible(self) -> float:
        """Requests that could have been in flight."""
        assert self.request_cpu is not None
        return formulas.possible_concurrency(self.figures.burst.clients, self.alone, self.request_cpu)

    @cached_property
    def overlaps(self) -> bool:
        """Whether requests wait at the same time, where they wait for long enough to tell."""
        short = self.figures.wait is None or self.figures.wait < formulas.JUDGED_SECONDS
        return short or self.at_once >= formulas.OVERLAP * self.possible

    @cached_property
    def threads(self) -> int:
        """Of a worker."""
        if self.figures.cpu is None or self.figures.wait is None or not self.overlaps:
            return self.defaults.number("config.WEB_THREADS")
        return formulas.threads(self.figures.wait, max(self.figures.cpu, LEAST_CPU))

    @cached_property
    def capacity(self) -> float:
        """Requests a second that a pod can serve."""
        assert self.request_cpu is not None
        computed = formulas.capacity(self.threads, self.alone, self.request_cpu)
        return computed if self.overlaps else min(computed, self.figures.burst.rate)

    @cached_property
    def target(self) -> int:
        """Of the autoscaler, in percent of the CPU request."""
        return formulas.cpu_target(self.figures.start, self.assumed.growth)

    @cached_property
    def cpu(self) -> formulas.CpuRequest | None:
        """What a pod requests. None: not measured."""
        if self.request_cpu is None:
            return None
        return formulas.cpu_request(
            rate=self.assumed.rate,
            cpu=self.request_cpu,
            idle=self.figures.idle or 0.0,
            target=self.target,
            capacity=self.capacity,
            least=self.defaults.cores("resources.requests.cpu"),
        )
