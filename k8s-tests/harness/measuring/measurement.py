"""How a scenario is measured: traffic, a control without a fault, the fault, recovery, the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial

from harness.cluster.images import Images
from harness.cluster.nodes import Nodes
from harness.cluster.release import Release
from harness.measuring.prober import Prober
from harness.measuring.records import InvalidRun
from harness.measuring.sampler import Sampler
from harness.report.report import Outcome
from harness.running.progress import Progress
from harness.running.scenario import Scenario
from harness.running.stage import Stage, StartTraffic
from prober import Record

CONTROL_SECONDS = 5.0
SETTLE_SECONDS = 3.0
SHOWN_FAILURES = 20
# A prober is told to stop, and looks for that ten times a second, after the end has been noted.
EARLY_END_SECONDS = 1.0


class OverBudget(AssertionError):
    """More requests failed than the error budget allows."""


@contextmanager
def together(probers: Sequence[Prober]) -> Iterator[None]:
    """Enter all of them at a time, and leave them so: either takes each a second or two, in which it mostly waits.

    If one can't be entered, the others are left. Raises what the first of them raised.
    """
    stacks = [ExitStack() for _ in probers]
    with ThreadPoolExecutor(max(1, len(probers))) as threads:
        try:
            _each(
                threads, [partial(stack.enter_context, prober) for stack, prober in zip(stacks, probers, strict=True)]
            )
            yield
        finally:
            _each(threads, [stack.close for stack in stacks])


def _each(threads: ThreadPoolExecutor, calls: Sequence[Callable[[], object]]) -> None:
    futures = [threads.submit(call) for call in calls]
    try:
        wait(futures)
    finally:
        # Also if this was interrupted: what is being started can't be stopped yet.
        wait(futures)
    for future in futures:
        future.result()


@contextmanager
def under_traffic(
    outcome: Outcome,
    release: Release,
    probers: Sequence[Prober],
    *,
    stopped_within: float = 120.0,
    request_seconds: float = 0.0,
) -> Iterator[Outcome]:
    """Keep `probers` sending while the `with` block injects the fault; then judge `outcome`.

    Before the block a control phase shows that nothing fails without the fault: the run is invalid otherwise. It goes
    on for CONTROL_SECONDS after the first requests are answered, the slowest of which take `request_seconds`. The
    block must set `fault_confirmed` to how it saw that the fault happened, and may add to `outcome.others` further
    probers of its own. Afterwards the probers go on until the rollout is over and the last terminating pod is
    gone, which it must be within `stopped_within` seconds. Raises OverBudget for more failed requests than the
    budget has, InvalidRun (which is one too) for a measurement that can't be trusted. Whatever happens, the figures and
    the records are in the report.
    """
    try:
        with (
            Progress(outcome.name, lambda: [*probers, *outcome.others], outcome.console) as progress,
            together(probers),
        ):
            outcome.started = time.time()
            # Only what is over before the fault is part of it.
            time.sleep(CONTROL_SECONDS + request_seconds)
            outcome.fault_at, progress.phase = time.time(), "fault"
            yield outcome
            progress.phase = "recovery"
            release.wait_rolled_out()
            release.wait_no_pod_stopping(stopped_within)
            time.sleep(SETTLE_SECONDS)
            outcome.ended = time.time()
    finally:
        everything = [*probers, *outcome.others]
        # The requests in flight when the fault comes are what it may cost.
        outcome.control = [
            prober.figures(over_by=outcome.fault_at) for prober in probers if outcome.fault_at and prober.records
        ]
        outcome.probers = [prober.figures() for prober in everything if prober.records]
        outcome.keep_records({prober.name: prober.records for prober in everything})
    for prober in probers:
        if prober.last_due < outcome.ended - EARLY_END_SECONDS - 1 / prober.rate:
            outcome.verdict = "invalid"
            raise InvalidRun(f"{outcome.name}: {prober.name} stopped sending before the end")
    judge(outcome, [record for prober in everything for record in prober.records if record.error])


def judge(outcome: Outcome, failures: Sequence[Record]) -> None:
    """Set the verdict of a scenario against its budget; raises as `under_traffic` says.

    failures: the failed requests of all probers, shown in the message.
    """
    print(f"{outcome.name}:", *(f"  {figures}" for figures in outcome.probers), sep="\n")
    try:
        if not outcome.fault_confirmed:
            raise InvalidRun(f"{outcome.name}: it was not seen that the fault happened")
        for figures in outcome.control:
            if figures.failed:
                raise InvalidRun(f"{outcome.name}: failures before the fault: {figures}")
        for figures in outcome.probers:
            figures.require_valid()
    except InvalidRun:
        outcome.verdict = "invalid"
        raise
    if len(failures) > outcome.budget.failed:
        outcome.verdict = "failed"
        shown = "\n".join(map(str, failures[:SHOWN_FAILURES]))
        raise OverBudget(f"{outcome.name}: {len(failures)} requests failed ({outcome.budget})\n{shown}")
    outcome.verdict = "passed"


def perform(
    scenario: Scenario,
    outcome: Outcome,
    release: Release,
    images: Images,
    nodes: Nodes,
    start: StartTraffic,
    seed: int = 0,
) -> None:
    """Measure one scenario on `release`, which is installed or upgraded first to what the scenario needs.

    start: makes the probers. Raises as `under_traffic` does, and AssertionError for anything else that did not hold;
    the verdict in `outcome` says the same.
    """
    release.ensure(images.first, scenario.values)
    try:
        sampler = Sampler(release.target.apps, release.namespace, release.fullname)
        stage = Stage(release, images, nodes, outcome, sampler, start, seed)
        outcome.replicas = sampler.samples
        if scenario.prepare:
            scenario.prepare(stage)
            # What was done for it is not what is to be seen on its timeline.
            outcome.events.clear()
        outcome.budget = scenario.budget.of(scenario.traffic, len(stage.pods()))
        # An autoscaler may have more for a while.
        replicas = release.minimum or len(stage.pods())
        with sampler:
            stage.probers = [start(release, traffic) for traffic in scenario.traffic]
            slowest = max((traffic.request_seconds for traffic in scenario.traffic), default=0.0)
            with under_traffic(
                outcome,
                release,
                stage.probers,
                stopped_within=scenario.stopped_within,
                request_seconds=slowest,
            ):
                outcome.fault_confirmed = scenario.act(stage)
        if scenario.fewer_ready is not None:
            sampler.require_complete()
            fewest, must_stay = sampler.fewest_ready(), replicas - scenario.fewer_ready
            assert fewest >= must_stay, (
                f"{scenario.name}: {fewest} ready replicas at a time, where {must_stay} must stay"
            )
        if scenario.after:
            scenario.after(stage)
    except InvalidRun:
        outcome.verdict = "invalid"
        raise
    except BaseException:
        outcome.verdict = "failed"
        raise
