"""Error budgets: how many requests may fail in a scenario, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.measuring.traffic import Traffic
from prober import POOL

ZERO = (
    "0: a rollout, a rollback, scaling and a drain are announced. A terminating pod leaves the Service's endpoints and "
    "keeps serving, then finishes its in-flight requests, so no request needs to be routed to a pod that is gone."
)
# Which pod gets a connection is random. This many standard deviations are exceeded once in 740 runs.
DEVIATIONS = 3.0


@dataclass(frozen=True)
class Budget:
    """The most failed requests of all probers together, and the derivation: why so many, in words with numbers.

    Raises ValueError for a negative number, and for more than none without a derivation of its own.
    """

    failed: int = 0
    derivation: str = ZERO

    def __post_init__(self) -> None:
        if self.failed < 0:
            raise ValueError(f"Budget(failed={self.failed}): a budget is 0 failed requests or more")
        if self.failed and self.derivation in ("", ZERO):
            raise ValueError(f"Budget(failed={self.failed}) needs a derivation: why so many failed requests are due")

    def __str__(self) -> str:
        return f"budget: {self.failed} failed requests"

    def of(self, _traffic: Sequence[Traffic], _replicas: int) -> Budget:
        """The budget under this traffic: the same under any."""
        return self


@dataclass(frozen=True)
class Timer:
    """A time that passes before something is done about a loss, and whose it is."""

    seconds: float
    what: str


@dataclass(frozen=True)
class Loss:
    """The error budget for a pod that dies abruptly: its in-flight requests, and those routed to it until its endpoint
    is removed.

    timers: what passes, one after the other, until its endpoint is removed. beside: how many pods are there
    beside the wanted number. times: how often it happens.
    """

    timers: tuple[Timer, ...] = ()
    beside: int = 0
    times: int = 1

    def of(self, traffic: Sequence[Traffic], replicas: int) -> Budget:
        """The budget under this traffic, where so many replicas are wanted."""
        seconds = sum(timer.seconds for timer in self.timers)
        share = 1 / (replicas + self.beside)
        parts = [_of_one(each, seconds, share) for each in traffic]
        failed = self.times * sum(math.ceil(number) for number, _ in parts)
        timers = "; ".join(f"{timer.seconds:g} s {timer.what}" for timer in self.timers)
        until = f", as do those routed to it in {seconds:g} s ({timers})" if self.timers else ""
        often = f", {self.times} times" if self.times > 1 else ""
        return Budget(
            failed,
            f"{failed}: one of {replicas + self.beside} pods dies abruptly{often}. Its in-flight requests fail{until}. "
            f"Which pod a connection leads to is random, so {DEVIATIONS:g} standard deviations are added. "
            f"{'. '.join(text for _, text in parts)}.",
        )


def _of_one(traffic: Traffic, seconds: float, share: float) -> tuple[float, str]:
    """The requests of one prober, and how they are counted. share: of the pods that is lost."""
    in_flight = traffic.rate * traffic.request_seconds * share
    due = traffic.rate * seconds
    if not traffic.keeps_connections:
        # Each is drawn by itself: binomial.
        sent = due * share + DEVIATIONS * math.sqrt(due * share * (1 - share))
    elif share < 1:
        # A connection costs one request, is thrown away, and another one drawn, until it leads to a pod that is there:
        # geometric, for each connection, however long it takes and however many are due.
        sent = POOL * share / (1 - share) + DEVIATIONS * math.sqrt(POOL * share) / (1 - share)
    else:
        sent = due
    sent = min(sent, due)
    return in_flight + sent, f"{traffic.name}: {in_flight:.1f} in flight and {sent:.1f} of {due:.0f} routed to it"
