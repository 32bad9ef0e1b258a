"""How many requests a scenario may lose, and why so many."""

from __future__ import annotations

from dataclasses import dataclass

ZERO = (
    "0: a rollout, a rollback, scaling and a drain are announced. A pod that has to go leaves the Service's endpoints "
    "while it goes on serving, then finishes what it has in hand, so no request needs to meet a pod that is gone."
)


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
