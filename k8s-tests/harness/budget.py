"""How many requests a scenario may lose, and why so many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.traffic import Traffic
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

    def of(self, _traffic: Sequence[Traffic]) -> Budget:
        """The budget under this traffic: the same under any."""
        return self


@dataclass(frozen=True)
class Timer:
    """A time that passes before something is done about a loss, and whose it is."""

    seconds: float
    what: str


@dataclass(frozen=True)
class Loss:
    """What a sudden loss may cost: what is in hand there, and what is sent there until nothing is sent there any more.

    share: of the replicas that are lost at once, from 0 to 1. timers: what passes, one after the other, until no
    request is sent there any more. times: how often it happens. silent: whether nobody answers at all there, not even
    the kernel, so that a connection that leads there holds its request until the client's patience ends.
    """

    share: float
    timers: tuple[Timer, ...] = ()
    times: int = 1
    silent: bool = False

    def of(self, traffic: Sequence[Traffic]) -> Budget:
        """The budget under this traffic."""
        seconds = sum(timer.seconds for timer in self.timers)
        parts = [self._of_one(each, seconds) for each in traffic]
        failed = self.times * sum(math.ceil(number) for number, _ in parts)
        timers = "; ".join(f"{timer.seconds:g} s {timer.what}" for timer in self.timers)
        until = f" and what is sent there in {seconds:g} s ({timers})" if self.timers else ""
        often = f", {self.times} times" if self.times > 1 else ""
        return Budget(
            failed,
            f"{failed}: {self.share:.0%} of the replicas are lost without notice{often}. That costs what they have in "
            f"hand{until}. Which pod a connection leads to is drawn by lot, so {DEVIATIONS:g} standard deviations are "
            f"added. {'. '.join(text for _, text in parts)}.",
        )

    def _of_one(self, traffic: Traffic, seconds: float) -> tuple[float, str]:
        """The requests of one prober, and how they are counted."""
        in_hand = traffic.rate * traffic.request_seconds * self.share
        due = traffic.rate * seconds
        if traffic.keeps_connections:
            # Drawn once for each connection, not for each request.
            share = min(1.0, self.share + DEVIATIONS * math.sqrt(self.share * (1 - self.share) / POOL))
            sent = due * share
            if self.silent:
                # One request for each connection and each time that a client waits, however many are due.
                sent = min(sent, POOL * share * (1 + seconds / traffic.timeout))
        else:
            sent = min(due, due * self.share + DEVIATIONS * math.sqrt(due * self.share * (1 - self.share)))
        return in_hand + sent, f"{traffic.name}: {in_hand:.1f} in hand and {sent:.1f} of {due:.0f} sent"
