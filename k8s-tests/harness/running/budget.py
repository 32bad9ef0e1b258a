"""How many requests a scenario may lose, and why so many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.measuring.traffic import Traffic
from prober import POOL

ZERO = (
    "0: a rollout, a rollback, scaling and a drain are announced. A pod that has to go leaves the Service's endpoints "
    "while it goes on serving, then finishes what it has in hand, so no request needs to meet a pod that is gone."
)
# Which pod gets a connection is drawn by lot. So many standard deviations are exceeded once in 740 runs.
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
    """What the sudden loss of a pod may cost: what it has in hand, and what is sent there until nothing is any more.

    timers: what passes, one after the other, until no request is sent there any more. beside: how many pods are there
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
        until = f" and what is sent there in {seconds:g} s ({timers})" if self.timers else ""
        often = f", {self.times} times" if self.times > 1 else ""
        return Budget(
            failed,
            f"{failed}: one of {replicas + self.beside} pods is lost without notice{often}. That costs what it has in "
            f"hand{until}. Which pod a connection leads to is drawn by lot, so {DEVIATIONS:g} standard deviations are "
            f"added. {'. '.join(text for _, text in parts)}.",
        )


def _of_one(traffic: Traffic, seconds: float, share: float) -> tuple[float, str]:
    """The requests of one prober, and how they are counted. share: of the pods that is lost."""
    in_hand = traffic.rate * traffic.request_seconds * share
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
    return in_hand + sent, f"{traffic.name}: {in_hand:.1f} in hand and {sent:.1f} of {due:.0f} sent"
