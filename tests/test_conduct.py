"""Which traffic and which scenarios there are for your own application, chart and cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.measuring.traffic import KEPT, NEW, SLOW, UPLOAD, Traffic
from harness.report.report import Report
from harness.running.conduct import Application, Conduct
from harness.running.scenario import Reach, Scenario


def conduct(**options: Any) -> Conduct:
    """With this project's own application on a kind cluster, but for `options`."""
    anything: Any = None
    is_kind = options.pop("is_kind", True)
    target: Any = SimpleNamespace(is_kind=is_kind, context="somewhere")
    given = {"example": True, "own_chart": True, "application": Application(), "allowed": True, **options}
    return Conduct(target, anything, Report(), rate=50, seed=1, **given)


def scenario(*, needs_example: bool = False, needs_chart: bool = False, reach: Reach = "release") -> Scenario:
    return Scenario("x", "y", lambda _: "seen", needs_example=needs_example, needs_chart=needs_chart, reach=reach)


def test_another_application_is_asked_for_the_paths_that_it_has() -> None:
    application = Application(path="/shop", slow_path="/report")
    asked = {each.kind: application.asked(each) for each in (NEW, KEPT, SLOW, UPLOAD)}
    assert {kind: each.path if each else None for kind, each in asked.items()} == {
        "new": "/shop", "keep-alive": "/shop", "slow": "/report", "upload": None,
    }  # fmt: skip
    assert Application(upload_path="/files").asked(UPLOAD) is not None


def test_a_load_of_the_examples_own_is_not_for_another_application() -> None:
    assert Application(slow_path="/report").asked(Traffic("slow", 1, path="/sleep?ms=8000")) is None


def test_what_its_answers_are_checked_for_is_told_to_the_prober() -> None:
    assert Application().options() == ("--expect-body", "none")
    told = Application(expect_body="Shop", host_header="X-Pod", version_header="X-Version").options()
    assert told == ("--expect-body", "Shop", "--host-header", "X-Pod", "--version-header", "X-Version")


@pytest.mark.parametrize(
    ("what", "options", "reason"),
    [
        (scenario(needs_example=True), {"example": False}, "only the example application"),
        (scenario(needs_chart=True), {"own_chart": False}, "values that only this project's chart"),
        (scenario(reach="nodes"), {"is_kind": False}, "breaks nodes"),
    ],
)
def test_what_can_not_be_shown_is_skipped_and_is_in_the_report(
    what: Scenario, options: dict[str, Any], reason: str
) -> None:
    measuring, release = conduct(**options), SimpleNamespace()
    with pytest.raises(pytest.skip.Exception, match=reason):
        measuring(what, release)  # type: ignore[arg-type]
    assert reason in measuring.report.not_run["x"]
    assert measuring.report.scenarios == []
    assert any(line.startswith("NOT RUN x: ") for line in measuring.report.lines())


def test_what_reaches_beyond_the_release_is_refused_on_a_cluster_for_which_it_was_not_allowed() -> None:
    measuring, release = conduct(is_kind=False, allowed=False), SimpleNamespace()
    with pytest.raises(pytest.fail.Exception, match="give --destructive somewhere"):
        measuring(scenario(reach="cluster"), release)  # type: ignore[arg-type]
    assert "--destructive somewhere" in measuring.report.not_run["x"]
