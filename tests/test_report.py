"""What a run leaves behind: report.json, the records, and what they say of the rate of failures."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.measuring.bound import upper_bound
from harness.measuring.measurement import judge
from harness.measuring.records import Figures, parse
from harness.measuring.sampler import Sample
from harness.report.report import SCHEMA, Report
from harness.running.budget import Budget
from prober import Record
from tests.made_report import Shape, fill, made_report

# --- The bound ------------------------------------------------------------------------------------------------------


def at_most(failed: int, sent: int, rate: float) -> float:
    """The probability of at most `failed` failures, term by term."""
    return math.fsum(math.comb(sent, n) * rate**n * (1 - rate) ** (sent - n) for n in range(failed + 1))


@pytest.mark.parametrize(("failed", "sent"), [(0, 1), (0, 300), (1, 100), (5, 100), (99, 100), (3, 1000), (400, 500)])
def test_so_few_failures_would_be_a_matter_of_five_percent_at_the_bound(failed: int, sent: int) -> None:
    assert at_most(failed, sent, upper_bound(failed, sent)) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(
    ("failed", "sent", "bound"),
    # 2.996 and 6.296 are the Poisson limits of no and of two events; the others are of tables of the binomial.
    [(0, 10**6, 2.9957e-6), (2, 10**6, 6.2958e-6), (1, 100, 0.046560), (5, 100, 0.102253), (7, 7, 1.0), (0, 0, 1.0)],
)
def test_the_bound_is_that_of_the_tables(failed: int, sent: int, bound: float) -> None:
    assert upper_bound(failed, sent) == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(("failed", "sent"), [(-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(failed: int, sent: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= failed <= sent"):
        upper_bound(failed, sent)


# --- Budgets --------------------------------------------------------------------------------------------------------


def test_a_budget_of_nothing_says_why() -> None:
    assert "announced" in Budget().derivation


def test_a_budget_of_more_needs_a_derivation_of_its_own() -> None:
    with pytest.raises(ValueError, match="needs a derivation"):
        Budget(3)
    with pytest.raises(ValueError, match="0 failed requests or more"):
        Budget(-1)


def record(number: int, *, error: str = "") -> Record:
    due = 1000 + number / 10
    return Record(number, due, due, due, due + 0.01, 0 if error else 200, "pod", "1", error)


@pytest.mark.parametrize(("failed", "verdict"), [(0, "passed"), (2, "passed"), (3, "failed")])
def test_a_scenario_may_lose_its_budget_and_no_more(failed: int, verdict: str) -> None:
    made = Report().add("x", budget=Budget(2, "two, for the test"))
    made.fault_confirmed = "seen"
    records = [record(n, error="reset" if n < failed else "") for n in range(10)]
    made.probers = [Figures.of("all", records)]
    try:
        judge(made, [r for r in records if r.error])
    except AssertionError as error:
        assert str(error).startswith("x: 3 requests failed (budget: 2 failed requests)")  # noqa: PT017
    assert made.verdict == verdict


# --- report.json ----------------------------------------------------------------------------------------------------


def written(report: Report, folder: Path) -> dict[str, Any]:
    """What report.json holds, valid by the schema."""
    report.write(folder)
    content: dict[str, Any] = json.loads((folder / "report.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    return content


def test_a_report_is_as_its_schema_says(tmp_path: Path) -> None:
    content = written(made_report(), tmp_path)
    assert [(s["name"], s["verdict"], s["baseline"]) for s in content["scenarios"]][:2] == [
        ("rolling update", "passed", False),
        ("rolling update", "failed", True),
    ]
    assert [(m["name"], m["caught_by"], m["caught"]) for m in content["mutants"]] == [
        ("no preStop delay", "rolling update", True),
        ("no readiness probe", "rolling update", False),
    ]
    node = content["scenarios"][2]
    assert (node["budget"]["failed"], node["fault_confirmed"]) == (120, "the node was NotReady for 43 s")
    assert node["failed"] == sum(figures["errors"]["timeout"] for figures in node["probers"]) > 0
    assert node["upper_bound_95"] == upper_bound(node["failed"], node["sent"])


def test_a_run_that_broke_off_leaves_a_report_as_the_schema_says(tmp_path: Path) -> None:
    report = Report()
    report.add("broken off")
    report.add_mutant("never tried", caught_by="broken off")
    content = written(report, tmp_path)
    assert content["scenarios"][0]["verdict"] == "failed"
    assert not content["mutants"][0]["caught"]
    nothing = {"sent": 0, "failed": 0, "upper_bound_95": 1.0}
    assert content["totals"] == {**nothing, "zero_budget": nothing, "losses": {**nothing, "budget": 0}}


def test_what_a_prober_could_not_send_counts_as_failed_and_the_report_is_there_all_the_same(tmp_path: Path) -> None:
    due = [Record(number, 1.0 + number, 0.0, 0.0, 1.0 + number, 0, "", "", "not-sent") for number in range(9)]
    due.append(Record(9, 10.0, 10.0, 10.0, 10.0, 200, "pod", "1", ""))
    report = Report()
    report.add("outage").probers = [Figures.of("client", due)]
    content = written(report, tmp_path)
    assert (content["totals"]["sent"], content["totals"]["failed"]) == (1, 9)
    assert content["totals"]["upper_bound_95"] == upper_bound(9, 10)


def test_the_totals_are_of_the_chart_that_is_judged_alone(tmp_path: Path) -> None:
    content = written(made_report(), tmp_path)
    judged = [s for s in content["scenarios"] if not s["baseline"]]
    assert content["totals"]["sent"] == sum(p["sent"] for s in judged for p in s["probers"])
    assert content["totals"]["failed"] == sum(p["failed"] for s in judged for p in s["probers"])
    assert content["totals"]["failed"] < sum(s["failed"] for s in content["scenarios"] + content["mutants"])


def test_sudden_losses_do_not_hide_what_is_lost_where_nothing_may_be(tmp_path: Path) -> None:
    content = written(made_report(), tmp_path)
    totals = content["totals"]
    [loss] = [s for s in content["scenarios"] if s["budget"]["failed"]]
    assert totals["losses"]["failed"] == loss["failed"] > 0
    assert totals["losses"]["budget"] == loss["budget"]["failed"]
    assert totals["zero_budget"]["failed"] == totals["failed"] - loss["failed"] > 0
    assert totals["zero_budget"]["upper_bound_95"] < totals["upper_bound_95"]


def test_the_records_that_the_report_names_are_those_of_the_prober(tmp_path: Path) -> None:
    report = Report()
    # Names that make the same file name must not cost anyone's records.
    for number, (name, baseline) in enumerate([("a b", False), ("A-b", False), ("a b", True)], 1):
        fill(
            report.add(name, baseline=baseline),
            Shape(number * 2, fault=1, rate=10),
            verdict="passed",
            names=("one", "One"),
        )
    content = written(report, tmp_path)
    files = [prober["records"] for scenario in content["scenarios"] for prober in scenario["probers"]]
    assert len(set(files)) == len(files) == 6
    for kept, scenario in zip(report.scenarios, content["scenarios"], strict=True):
        for prober in scenario["probers"]:
            text = (tmp_path / prober["records"]).read_text()
            assert parse(text, prober["sent"]) == kept.records[prober["name"]]


def test_replicas_are_kept_where_they_change(tmp_path: Path) -> None:
    report = Report()
    numbers = [2, 2, 2, 2, 3, 3, 3, 2, 4, 4]
    report.add("x").replicas = [Sample(float(at), 2, ready, 2) for at, ready in enumerate(numbers)]
    kept = [(sample["at"], sample["ready"]) for sample in written(report, tmp_path)["scenarios"][0]["replicas"]]
    assert kept == [(0, 2), (3, 2), (4, 3), (6, 3), (7, 2), (8, 4), (9, 4)]


def test_the_terminal_tells_a_baseline_from_a_verdict_and_a_mutant_caught_from_one_that_survived() -> None:
    lines = made_report().lines()
    assert "PASSED  rolling update (budget: 0 failed requests)" in lines
    assert "BASELINE rolling update (budget: 0 failed requests)" in lines
    assert "CAUGHT mutant: no preStop delay (by rolling update)" in lines
    assert "SURVIVED mutant: no readiness probe (by rolling update)" in lines
