"""A scenario, declared as data: what is done to a release under which traffic, and what it may cost.

`act` injects the fault, waits until it is over, and returns how it was seen that the fault really happened. It
does so with the Stage that it is given, and raises AssertionError for what did not happen. An empty answer makes the
run invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.measuring.traffic import CLIENTS, Traffic
from harness.running.budget import Budget, Loss
from harness.running.stage import Stage

Reach = Literal["release", "cluster", "nodes"]
"""What a fault touches: nothing but the release; what other users of the cluster have too; the nodes themselves, which
only a kind cluster lets one break."""


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    name: for the report and for --scenario.
    fault: what is done, in one sentence.
    act: does it; see above.
    prepare: what must be done before the probers start, so that it is no part of what is measured.
    budget: the most failed requests.
    traffic: the probers.
    values: the chart's values that it needs, beside those of all scenarios.
    fewer_ready: how many of the replicas that the release is to have at least may be missing at any moment; None where
    the fault takes them away.
    stopped_within: seconds after the act within which the last terminating pod must be gone.
    reach: what it touches.
    needs_example: whether it needs the example application, beside what its traffic needs.
    needs_chart: whether it sets values that another chart may not have.
    standard: whether it is one of those that run without --complete.
    after: looks at the records of the probers once it is over, and raises AssertionError.
    """

    name: str
    fault: str
    act: Callable[[Stage], str]
    budget: Budget | Loss = field(default_factory=Budget)
    traffic: tuple[Traffic, ...] = CLIENTS
    values: Mapping[str, str] = field(default_factory=dict)
    fewer_ready: int | None = None
    stopped_within: float = 60.0
    reach: Reach = "release"
    needs_example: bool = False
    needs_chart: bool = False
    standard: bool = True
    prepare: Callable[[Stage], None] | None = None
    after: Callable[[Stage], None] | None = None
