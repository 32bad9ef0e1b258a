"""From records to figures."""

import json

import pytest

from harness.records import MAX_LATENESS_SECONDS, Figures, InvalidRun, Record, parse, percentile
from harness.report import Report, Scenario
from harness.scenario import judge


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


def test_records_that_are_not_complete_are_invalid() -> None:
    lines = [json.dumps(list(record(n))) for n in (0, 1, 3)]
    with pytest.raises(InvalidRun, match="not complete"):
        parse("\n".join(lines))
    with pytest.raises(InvalidRun, match="no requests"):
        Figures.of("x", [])


def scenario(*records: Record, control: Record | None = None, confirmed: str = "seen") -> Scenario:
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
