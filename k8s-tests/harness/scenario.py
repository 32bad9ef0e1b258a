"""A scenario: traffic, a control without a fault, the fault, recovery, the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from harness.prober import Prober
from harness.records import InvalidRun, Record
from harness.release import Release
from harness.report import Scenario

CONTROL_SECONDS = 5.0
SETTLE_SECONDS = 3.0
SHOWN_FAILURES = 20


@contextmanager
def under_traffic(scenario: Scenario, release: Release, probers: Sequence[Prober]) -> Iterator[Scenario]:
    """Keep `probers` sending while the `with` block brings the fault about; then judge `scenario`.

    Before the block a control phase shows that nothing fails without the fault: the run is invalid otherwise. The
    block must set `fault_confirmed` to how it saw that the fault happened. Afterwards the probers go on until the
    last pod that was told to go is gone. Raises AssertionError for any failed request, InvalidRun (which is one too)
    for a measurement that can't be trusted.
    """
    with ExitStack() as running:
        for prober in probers:
            running.enter_context(prober)
        time.sleep(CONTROL_SECONDS)
        fault_at = time.time()
        yield scenario
        release.wait_no_pod_stopping()
        time.sleep(SETTLE_SECONDS)
    scenario.control = [prober.figures(end=fault_at) for prober in probers]
    scenario.probers = [prober.figures() for prober in probers]
    judge(scenario, [record for prober in probers for record in prober.records if record.error])


def judge(scenario: Scenario, failures: Sequence[Record]) -> None:
    """Set the verdict of a scenario whose budget is no failed request; raises as `under_traffic` says.

    failures: the failed requests of all probers, shown in the message.
    """
    print(f"{scenario.name}:", *(f"  {figures}" for figures in scenario.probers), sep="\n")
    try:
        if not scenario.fault_confirmed:
            raise InvalidRun(f"{scenario.name}: it was not seen that the fault happened")
        for figures in scenario.control:
            if figures.failed:
                raise InvalidRun(f"{scenario.name}: failures before the fault: {figures}")
        for figures in scenario.probers:
            figures.require_valid()
    except InvalidRun:
        scenario.verdict = "invalid"
        raise
    if failures:
        scenario.verdict = "failed"
        shown = "\n".join(map(str, failures[:SHOWN_FAILURES]))
        raise AssertionError(f"{scenario.name}: {len(failures)} requests failed\n{shown}")
    scenario.verdict = "passed"
