"""From records to figures."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cluster.wait import until
from harness.measuring import measurement
from harness.measuring import sampler as sampler_module
from harness.measuring.measurement import judge
from harness.measuring.prober import Prober
from harness.measuring.records import MAX_LATENESS_SECONDS, Figures, InvalidRun, parse, percentile
from harness.measuring.sampler import Sampler
from harness.report.report import Outcome, Report
from prober import Record, arguments_parser


def record(number: int, *, error: str = "", took: float = 0.01, late: float = 0.0) -> Record:
    """Request `number` of ten a second."""
    due = 1000 + number / 10
    return Record(number, due, due + late, due + took, due + took, 0 if error else 200, "pod", "1", error)


def test_percentiles_are_of_the_values_themselves() -> None:
    values = [float(value) for value in range(1, 1001)]
    assert [percentile(values, p) for p in (0.0, 0.5, 0.99, 0.999, 1.0)] == [1, 500, 990, 999, 1000]
    assert percentile([7.0], 0.999) == 7
    assert percentile([], 0.5) == 0


def test_figures_count_what_failed_and_how() -> None:
    records = [record(n, error={3: "reset", 4: "refused", 5: "refused"}.get(n, "")) for n in range(10)]
    figures = Figures.of("x", records)
    assert (figures.scheduled, figures.sent, figures.failed) == (10, 10, 3)
    assert figures.errors == {"reset": 1, "refused": 2}


@pytest.mark.parametrize(
    ("failed", "gap"),
    [(set(), 0.1), ({5}, 0.2), ({4, 5, 6}, 0.4), ({0, 1, 2}, 0.3), ({8, 9}, 0.2), (set(range(10)), 0.9)]
)  # fmt: skip
def test_the_largest_gap_is_between_successes_and_counts_the_ends(failed: set[int], gap: float) -> None:
    records = [record(n, error="reset" if n in failed else "") for n in range(10)]
    assert Figures.of("x", records).max_gap_s == pytest.approx(gap)


def test_latency_is_from_when_a_request_was_due() -> None:
    figures = Figures.of("x", [record(0, took=0.5, late=0.4)])
    assert figures.p50_ms == pytest.approx(500)
    assert figures.max_lateness_s == pytest.approx(0.4)


def test_figures_of_a_phase_are_of_what_was_due_in_it() -> None:
    """From its start until before its end: a request belongs to one phase, and all phases together have them all."""
    records = [record(n, error="reset" if 4 <= n < 8 else "", took=n / 100) for n in range(12)]
    begin, end = records[4].scheduled, records[8].scheduled
    phases = [
        Figures.of("before", records, end=begin),
        Figures.of("during", records, begin, end),
        Figures.of("after", records, end),
    ]
    assert [(figures.scheduled, figures.failed) for figures in phases] == [(4, 0), (4, 4), (4, 0)]
    assert [figures.max_gap_s for figures in phases] == pytest.approx([0.1, 0.3, 0.1])
    assert [figures.p50_ms for figures in phases] == pytest.approx([10, 0, 90])
    with pytest.raises(InvalidRun, match="no requests"):
        Figures.of("never", records, 2000, 3000)


def test_a_request_that_could_not_be_sent_is_not_counted_as_sent_and_hides_no_lateness() -> None:
    unsent = record(1, error="not-sent", took=0.7)._replace(sent=0.0)
    figures = Figures.of("x", [record(0), unsent])
    assert (figures.scheduled, figures.sent, figures.failed) == (2, 1, 1)
    assert figures.max_lateness_s == pytest.approx(0.7)


@pytest.mark.parametrize("text", ["[0, 1", "[0]", "7", "[0]\nx"])
def test_records_that_can_not_be_read_are_invalid(text: str) -> None:
    with pytest.raises(InvalidRun, match="can't be read"):
        parse(text, 1)


def test_a_prober_whose_records_would_not_fit_is_refused() -> None:
    target: Any = None
    Prober(target, "image", "http://web:5000", rate=900, kind="upload")
    with pytest.raises(ValueError, match=r"records of 1000 requests/s do not fit into 256 MiB: at most 932"):
        Prober(target, "image", "http://web:5000", rate=1000, kind="new")


def test_the_arguments_that_a_prober_is_started_with_are_those_it_takes() -> None:
    target: Any = None
    options = ["--expect-body", "none"]
    prober = Prober(target, "image", "http://web:5000", rate=50, kind="slow", path="/shop", options=options)
    arguments = arguments_parser().parse_args(prober.arguments)
    assert (arguments.url, arguments.kind, arguments.rate, arguments.path, arguments.expect_body) == (
        "http://web:5000", "slow", 50, "/shop", "none",
    )  # fmt: skip


def test_records_that_are_not_complete_are_invalid() -> None:
    lines = [json.dumps(list(record(n))) for n in (0, 1, 3)]
    with pytest.raises(InvalidRun, match="not complete"):
        parse("\n".join(lines), 3)
    with pytest.raises(InvalidRun, match="2 of 3"):
        parse("\n".join(lines[:2]), 3)
    with pytest.raises(InvalidRun, match="0 of 1"):
        parse("", 1)
    with pytest.raises(InvalidRun, match="no requests"):
        Figures.of("x", [])


def scenario(*records: Record, control: Record | None = None, confirmed: str = "seen") -> Outcome:
    made = Report().add("x")
    made.fault_confirmed = confirmed
    made.control = [Figures.of("control", [control or record(0)])]
    made.probers = [Figures.of("all", records)]
    return made


def test_a_scenario_without_a_failure_passes() -> None:
    judged = scenario(record(0), record(1))
    judge(judged, [])
    assert judged.verdict == "passed"


def test_one_failed_request_fails_the_scenario() -> None:
    failed = record(1, error="reset")
    judged = scenario(record(0), failed)
    with pytest.raises(AssertionError, match="1 requests failed"):
        judge(judged, [failed])
    assert judged.verdict == "failed"


def test_a_fault_that_was_not_seen_makes_it_invalid() -> None:
    judged = scenario(record(0), confirmed="")
    with pytest.raises(InvalidRun, match="not seen"):
        judge(judged, [])
    assert judged.verdict == "invalid"


def test_a_failure_before_the_fault_makes_it_invalid() -> None:
    judged = scenario(record(0), control=record(0, error="reset"))
    with pytest.raises(InvalidRun, match="before the fault"):
        judge(judged, [])
    assert judged.verdict == "invalid"


def test_a_prober_that_fell_behind_makes_it_invalid() -> None:
    judged = scenario(record(0), record(1, late=MAX_LATENESS_SECONDS + 0.1, took=2))
    with pytest.raises(InvalidRun, match="too busy to measure"):
        judge(judged, [])
    assert judged.verdict == "invalid"


def test_a_scenario_that_was_not_judged_counts_as_failed() -> None:
    report = Report()
    report.add("broken off")
    assert report.lines()[0].startswith("FAILED")


# --- The whole of a scenario, with a cluster that is only pretended -------------------------------------------------


class Pretended:
    """A release whose rollouts are always over, and at the same time a prober with the given records."""

    def __init__(self, name: str = "client", *records: Record) -> None:
        self.name, self.records, self.rate = name, list(records), 50.0

    def __enter__(self) -> "Pretended":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def last_due(self) -> float:
        return self.records[-1].scheduled

    def figures(self, start: float = 0.0, end: float = float("inf"), over_by: float = float("inf")) -> Figures:
        chosen = [r for r in self.records if start <= r.scheduled < end and r.done < over_by]
        return Figures.of(self.name, chosen or self.records[:1])

    def wait_rolled_out(self) -> None:
        pass

    def wait_no_pod_stopping(self, timeout: float) -> None:
        pass


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "CONTROL_SECONDS", 0)
    monkeypatch.setattr(measurement, "SETTLE_SECONDS", 0)


def due_now(*, error: str = "", seconds: float = 0.0) -> Record:
    """A request due `seconds` from now."""
    due = time.time() + seconds
    return Record(0, due, due, due, due, 200, "pod", "1", error)


def run_scenario(made: Outcome, *clients: Pretended, others: tuple[Pretended, ...] = (), fault: str = "seen") -> None:
    release: Any = Pretended()
    probers: Any = clients
    with measurement.under_traffic(made, release, probers) as running:
        running.others.extend(others)  # type: ignore[arg-type]
        if fault == "breaks":
            raise RuntimeError("the upgrade failed")
        running.fault_confirmed = fault


def test_a_prober_that_stopped_before_the_end_makes_it_invalid() -> None:
    made = Report().add("x")
    with pytest.raises(InvalidRun, match="stopped sending before the end"):
        run_scenario(made, Pretended("client", due_now(seconds=-60)))
    assert made.verdict == "invalid"


def test_a_failure_of_a_load_that_ran_meanwhile_counts() -> None:
    made = Report().add("x")
    with pytest.raises(AssertionError, match="1 requests failed"):
        run_scenario(made, Pretended("client", due_now()), others=(Pretended("load", due_now(error="status-503")),))
    assert [figures.name for figures in made.probers] == ["client", "load"]


def test_what_was_measured_is_kept_when_the_scenario_breaks_off(tmp_path: Path) -> None:
    report = Report()
    made = report.add("x")
    with pytest.raises(RuntimeError):
        run_scenario(made, Pretended("client", due_now(error="reset")), fault="breaks")
    assert made.verdict == "failed"
    assert report.lines()[-2].startswith("in all: 1 requests recorded, 1 failed")
    report.write(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["scenarios"][0]["probers"][0]["failed"] == 1
    assert len((tmp_path / "x-client.jsonl").read_text().splitlines()) == 1


def test_no_failure_in_a_number_of_requests_bounds_the_rate() -> None:
    report = Report()
    report.add("x").probers = [Figures.of("all", [record(n) for n in range(300)])]
    assert (
        report.lines()[-1] == "where none may fail: 300 requests recorded, 0 failed; "
        "with 95 % confidence fewer than 0.994% of requests fail"
    )


# --- The sampler ----------------------------------------------------------------------------------------------------


class Deployments:
    """The part of the API that the sampler asks; stalls or fails when told to."""

    def __init__(self, *, fail: bool = False, stall: float = 0.0) -> None:
        self.fail, self.stall = fail, stall

    def read_namespaced_deployment(self, *_: object, **__: object) -> Any:
        if self.fail:
            raise OSError("gone")
        time.sleep(self.stall)
        return SimpleNamespace(
            spec=SimpleNamespace(replicas=2), status=SimpleNamespace(ready_replicas=2, available_replicas=2)
        )


def test_the_sampler_sees_the_fewest() -> None:
    with Sampler(Deployments(), "n", "d") as sampler:
        until("it has looked", lambda: bool(sampler.samples), timeout=10, interval=0.05)
    assert (sampler.fewest_ready(), sampler.fewest_desired()) == (2, 2)


@pytest.mark.parametrize(("fail", "stall"), [(True, 0.0), (False, 1.0)])
def test_a_sampler_that_could_not_look_does_not_pass(monkeypatch: pytest.MonkeyPatch, fail: bool, stall: float) -> None:
    monkeypatch.setattr(sampler_module, "LONGEST_GAP_SECONDS", 0.2)
    with Sampler(Deployments(fail=fail, stall=stall), "n", "d") as sampler:
        time.sleep(1.2)
    with pytest.raises(InvalidRun, match="not looked at"):
        sampler.require_complete()
