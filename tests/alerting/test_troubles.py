"""Every alert has a trouble on kind in which it fires, and the releases of all troubles can be rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cluster.release import Target
from observability.troubled import Troubled
from observability.troubles import TROUBLES, merged
from tests.alerting.alert_cases import CASES


def alerts_of(rule: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The alerts of a PrometheusRule, by name; of those with several windows the quickest."""
    rules = [each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each]
    return {each["alert"]: each for each in reversed(rules)}


@pytest.fixture
def troubled(helm4: Path, request: pytest.FixtureRequest) -> Troubled:
    """The release of a trouble, in a cluster that is not asked."""
    nothing: Any = None
    target = Target(
        kubeconfig=Path("none"), helm=helm4, helm3=helm4, kubectl=helm4, apps=nothing, autoscaling=nothing, core=nothing
    )
    return Troubled(target, "alerts", "flask-app:test-1", "flask-app-prometheus:test", request.param)


@pytest.mark.parametrize("troubled", TROUBLES, indirect=True, ids=lambda trouble: trouble.name)
def test_a_release_has_the_alerts_on_its_trouble(troubled: Troubled) -> None:
    """And they wait as long as the proof says."""
    rendered = alerts_of(troubled.rendered("PrometheusRule"))
    troubled.rendered("PodMonitor")
    for alert in troubled.trouble.alerts:
        wait = rendered[alert.name].get("for", "0m")
        # Of a stuck rollout the Deployment itself waits.
        assert alert.name == "FlaskAppRolloutStuck" or wait == f"{alert.after / 60:.0f}m", alert


def test_every_alert_but_one_that_takes_a_broken_cluster_is_brought_about() -> None:
    brought_about = {alert.name for trouble in TROUBLES for alert in trouble.alerts}
    burning = {"FlaskAppErrorBudgetBurn", "FlaskAppLatencyBudgetBurn"}
    assert {case.alert for case in CASES} | burning == brought_about | {"FlaskAppCronJobNotRun"}


def test_names_of_troubles_are_their_own() -> None:
    """Each is the name of a release in the same namespace."""
    assert len({trouble.name for trouble in TROUBLES}) == len(TROUBLES)


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        (({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}), {"a": {"b": 1, "c": 3}}),
        (({"a": {"b": 1}}, {"a": None}), {"a": None}),
        (({"a": [1]}, {"a": [2]}), {"a": [2]}),
    ],
    ids=str,
)
def test_later_values_take_precedence(parts: tuple[dict[str, Any], ...], result: dict[str, Any]) -> None:
    assert merged(*parts) == result
