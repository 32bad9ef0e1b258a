"""A scenario: traffic, a control without a fault, the fault, recovery, the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from harness.prober import Prober
from harness.progress import Progress
from harness.records import InvalidRun
from harness.release import Release
from harness.report import Scenario
from prober import Record

CONTROL_SECONDS = 5.0
SETTLE_SECONDS = 3.0
SHOWN_FAILURES = 20
# A prober is told to stop, and looks for that ten times a second, after the end has been noted.
EARLY_END_SECONDS = 1.0


@contextmanager
def under_traffic(scenario: Scenario, release: Release, probers: Sequence[Prober]) -> Iterator[Scenario]:
    """Keep `probers` sending while the `with` block brings the fault about; then judge `scenario`.

    Before the block a control phase shows that nothing fails without the fault: the run is invalid otherwise. The
    block must set `fault_confirmed` to how it saw that the fault happened, and may add to `scenario.others` further
    probers of its own. Afterwards the probers go on until the rollout is over and the last pod that was told to go is
    gone. Raises AssertionError for more failed requests than the budget has, InvalidRun (which is one too) for a
    measurement that can't be trusted. Whatever happens, the figures and the records are in the report.
    """
    try:
        with (
            Progress(scenario.name, lambda: [*probers, *scenario.others], scenario.console) as progress,
            ExitStack() as running,
        ):
            for prober in probers:
                running.enter_context(prober)
            scenario.started = time.time()
            time.sleep(CONTROL_SECONDS)
            scenario.fault_at, progress.phase = time.time(), "fault"
            yield scenario
            progress.phase = "recovery"
            release.wait_rolled_out()
            release.wait_no_pod_stopping()
            time.sleep(SETTLE_SECONDS)
            scenario.ended = time.time()
    finally:
        everything = [*probers, *scenario.others]
        scenario.control = [
            prober.figures(end=scenario.fault_at) for prober in probers if scenario.fault_at and prober.records
        ]
        scenario.probers = [prober.figures() for prober in everything if prober.records]
        scenario.keep_records({prober.name: prober.records for prober in everything})
    for prober in probers:
        if prober.last_due < scenario.ended - EARLY_END_SECONDS:
            scenario.verdict = "invalid"
            raise InvalidRun(f"{scenario.name}: {prober.name} stopped sending before the end")
    judge(scenario, [record for prober in everything for record in prober.records if record.error])


def judge(scenario: Scenario, failures: Sequence[Record]) -> None:
    """Set the verdict of a scenario against its budget; raises as `under_traffic` says.

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
    if len(failures) > scenario.budget.failed:
        scenario.verdict = "failed"
        shown = "\n".join(map(str, failures[:SHOWN_FAILURES]))
        raise AssertionError(f"{scenario.name}: {len(failures)} requests failed ({scenario.budget})\n{shown}")
    scenario.verdict = "passed"
