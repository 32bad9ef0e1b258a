"""A scenario is measured and judged as it is declared: against pretended clients, and a release that does nothing."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_stack
from types import SimpleNamespace
from typing import Any

import pytest

from harness.measuring import measurement
from harness.measuring import sampler as sampler_module
from harness.measuring.measurement import OverBudget, perform
from harness.measuring.records import Figures, InvalidRun
from harness.measuring.traffic import NEW, Traffic
from harness.report.report import Outcome, Report
from harness.running.budget import Loss
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from prober import Record
from tests.serving_process import until


def answered(error: str = "") -> Record:
    due = time.time()
    return Record(0, due, due, due, due, 200, "pod", "1", error)


class Client:
    """A prober that sends a request when it starts, which is answered, and one when it stops, with this error."""

    def __init__(self, name: str, error: str) -> None:
        self.name, self._error, self.rate = name, error, 50.0
        self.records: list[Record] = []

    def __enter__(self) -> Client:
        self.records = [answered()]
        return self

    def __exit__(self, *_: object) -> None:
        self.records.append(answered(self._error))

    def figures(self, start: float = 0.0, end: float = float("inf"), over_by: float = float("inf")) -> Figures:
        return Figures.of(self.name, self.records, start, end, over_by)

    @property
    def last_due(self) -> float:
        return self.records[-1].scheduled

    def progress(self) -> tuple[int, int]:
        return 1, 0


class Still:
    """A release in which nothing happens. `ready`: what its Deployment says from now on; None: it does not answer."""

    namespace, fullname = "n", "web"
    minimum = 2

    def __init__(self) -> None:
        self.target = SimpleNamespace(apps=self)
        self.ready: int | None = 2
        self.ensured: list[object] = []

    def pods(self) -> list[Any]:
        return [SimpleNamespace(metadata=SimpleNamespace(name="web-1", deletion_timestamp=None))]

    def read_namespaced_deployment(self, *_: object, **__: object) -> Any:
        if self.ready is None:
            raise OSError("gone")
        return SimpleNamespace(
            spec=SimpleNamespace(replicas=2),
            status=SimpleNamespace(ready_replicas=self.ready, available_replicas=self.ready),
        )

    def ensure(self, image: str, values: object) -> None:
        self.ensured.append((image, values))

    def wait_rolled_out(self) -> None:
        pass

    def wait_no_pod_stopping(self, timeout: float) -> None:
        self.ensured.append(timeout)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "CONTROL_SECONDS", 0)
    monkeypatch.setattr(measurement, "SETTLE_SECONDS", 0)


def passes(_: Stage) -> str:
    time.sleep(0.6)
    return "seen"


def measured(scenario: Scenario, error: str = "", release: Still | None = None) -> Outcome:
    """The outcome of a scenario, whatever it is."""
    outcome = Report().add(scenario.name)
    anything: Any = release or Still()
    images: Any = SimpleNamespace(first="web:1", second="web:2")
    nodes: Any = None
    start: Callable[[Any, Traffic], Any] = lambda _, traffic: Client(traffic.name, error)  # noqa: E731
    outcome.error = None  # type: ignore[attr-defined]
    try:
        perform(scenario, outcome, anything, images, nodes, start)
    except AssertionError as caught:
        outcome.error = caught  # type: ignore[attr-defined]
    return outcome


def caught(outcome: Outcome) -> Any:
    return outcome.error  # type: ignore[attr-defined]


def test_one_that_loses_nothing_passes_with_its_evidence() -> None:
    release = Still()
    outcome = measured(Scenario("x", "y", passes, values={"a": "b"}, stopped_within=7), release=release)
    assert (outcome.verdict, outcome.fault_confirmed, caught(outcome)) == ("passed", "seen", None)
    assert release.ensured == [("web:1", {"a": "b"}), 7]
    assert [figures.name for figures in outcome.probers] == ["new connections", "keep-alive connections"]


def test_one_request_above_the_budget_fails_it() -> None:
    outcome = measured(Scenario("x", "y", passes), error="reset")
    assert outcome.verdict == "failed"
    assert isinstance(caught(outcome), OverBudget)
    assert "2 requests failed (budget: 0" in str(caught(outcome))


class Slow(Client):
    """One that takes a while to start and to stop, and says when it has; `breaks`: it does not start."""

    def __init__(self, *, seconds: float = 0.4, breaks: bool = False) -> None:
        super().__init__("slow", "")
        self.seconds, self.breaks, self.steps = seconds, breaks, list[str]()

    def __enter__(self) -> Slow:
        time.sleep(self.seconds)
        if self.breaks:
            raise AssertionError("it does not start")
        self.steps.append("started")
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(self.seconds)
        self.steps.append("stopped")


@pytest.mark.alone
def test_probers_are_started_and_stopped_at_a_time() -> None:
    probers: list[Any] = [Slow() for _ in range(4)]
    began = time.monotonic()
    with measurement.together(probers):
        assert [prober.steps for prober in probers] == [["started"]] * 4
    assert [prober.steps for prober in probers] == [["started", "stopped"]] * 4
    assert 0.8 <= time.monotonic() - began < 1.6


def test_a_prober_that_does_not_start_has_the_others_stopped() -> None:
    probers: list[Any] = [Slow(), Slow(breaks=True), Slow()]
    with pytest.raises(AssertionError, match="does not start"), measurement.together(probers):
        raise RuntimeError("never reached")
    assert [prober.steps for prober in probers] == [["started", "stopped"], [], ["started", "stopped"]]


def test_an_interrupted_start_is_undone_once_it_is_over() -> None:
    probers: list[Any] = [Slow(seconds=0), Slow(seconds=2)]
    main = threading.get_ident()

    def waits() -> bool:
        frames = walk_stack(sys._current_frames()[main])
        return any(frame.f_code is futures.wait.__code__ for frame, _ in frames)

    def interrupt_the_wait() -> None:
        until("it waits for both", waits)
        signal.pthread_kill(main, signal.SIGINT)

    @contextmanager
    def interrupting() -> Iterator[None]:
        thread = threading.Thread(target=interrupt_the_wait)
        thread.start()
        yield
        thread.join()

    with pytest.raises(KeyboardInterrupt), interrupting(), measurement.together(probers):
        raise RuntimeError("never reached")
    assert [prober.steps for prober in probers] == [["started", "stopped"]] * 2


@pytest.mark.alone
def test_the_control_is_as_much_longer_as_its_slowest_requests_take() -> None:
    began = time.time()
    outcome = measured(Scenario("x", "y", passes, traffic=(NEW, Traffic("slow", 1, request_seconds=0.7))))
    assert 0.7 <= outcome.fault_at - outcome.started < outcome.fault_at - began < 1.5


def test_what_was_in_flight_when_the_fault_came_is_its_cost_and_no_failure_before_it() -> None:
    def cut_off(stage: Stage) -> str:
        due = stage.outcome.fault_at - 0.5
        for prober in stage.probers:
            prober.records.append(Record(1, due, due, due, due + 1, 0, "", "", "closed"))
        return passes(stage)

    outcome = measured(Scenario("x", "y", cut_off, Loss(), traffic=(NEW,)))
    assert (outcome.verdict, outcome.failed, [figures.failed for figures in outcome.control]) == ("passed", 1, [0])


def test_a_failure_that_was_known_before_the_fault_makes_it_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "__enter__", lambda self: self.records.append(answered("reset")) or self)
    outcome = measured(Scenario("x", "y", passes, Loss(), traffic=(NEW,)))
    assert outcome.verdict == "invalid"
    assert "failures before the fault" in str(caught(outcome))


def test_what_a_sudden_loss_may_cost_is_derived_from_the_traffic() -> None:
    outcome = measured(Scenario("x", "y", passes, Loss(), traffic=(NEW,)), error="reset")
    assert (outcome.verdict, outcome.budget.failed, outcome.failed) == ("passed", 3, 1)


def test_a_fault_that_was_not_seen_makes_it_invalid() -> None:
    outcome = measured(Scenario("x", "y", lambda _: ""))
    assert outcome.verdict == "invalid"
    assert isinstance(caught(outcome), InvalidRun)


def test_too_few_ready_replicas_fail_it_though_no_request_failed() -> None:
    release = Still()

    def one_goes(_: Stage) -> str:
        release.ready = 1
        time.sleep(0.6)
        return "seen"

    outcome = measured(Scenario("x", "y", one_goes, fewer_ready=0), release=release)
    assert outcome.verdict == "failed"
    assert "1 ready replicas at a time, where 2 must stay" in str(caught(outcome))
    assert measured(Scenario("x", "y", one_goes, fewer_ready=1), release=release).verdict == "passed"
    release.minimum = 0
    assert measured(Scenario("x", "y", one_goes, fewer_ready=0), release=release).verdict == "passed"


def test_replicas_that_could_not_be_looked_at_make_it_invalid_where_they_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_module, "LONGEST_GAP_SECONDS", 0.1)
    release = Still()

    def nobody_answers(_: Stage) -> str:
        time.sleep(0.6)
        release.ready = None
        time.sleep(0.8)
        return "seen"

    outcome = measured(Scenario("x", "y", nobody_answers, fewer_ready=1), release=release)
    assert outcome.verdict == "invalid"
    release.ready = 2
    assert measured(Scenario("x", "y", nobody_answers), release=release).verdict == "passed"


def test_what_is_prepared_is_over_before_anything_is_measured() -> None:
    seen: list[int] = []

    def prepare(stage: Stage) -> None:
        stage.event("prepared")
        seen.extend([len(stage.probers), len(stage.sampler.samples)])

    outcome = measured(Scenario("x", "y", passes, prepare=prepare))
    assert (outcome.verdict, outcome.events) == ("passed", [])
    assert seen == [0, 0]


def test_what_can_not_be_prepared_fails_it() -> None:
    def prepare(_: Stage) -> None:
        raise AssertionError("no metrics")

    outcome = measured(Scenario("x", "y", passes, prepare=prepare))
    assert (outcome.verdict, outcome.probers, str(caught(outcome))) == ("failed", [], "no metrics")


def test_what_the_records_show_can_fail_it_afterwards() -> None:
    def only_pod(stage: Stage) -> None:
        assert {record.host for prober in stage.probers for record in prober.records} == {"another"}

    assert measured(Scenario("x", "y", passes, after=only_pod)).verdict == "failed"


def test_an_act_that_breaks_off_fails_it_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    def breaks(stage: Stage) -> str:
        stage.event("begun")
        raise AssertionError("the upgrade failed")

    outcome = measured(Scenario("x", "y", breaks))
    assert outcome.verdict == "failed"
    assert outcome.sent == 4
    assert [text for _, text in outcome.events] == ["begun"]
    assert tmp_path.exists()
