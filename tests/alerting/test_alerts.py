"""The alerts of the chart: their arithmetic in promtool, and what they read in a real scrape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.alerting import prometheus
from tests.alerting.alert_cases import CASES, NAME, POD, VALUES, Case, Series, counter, of_pod
from tests.alerting.kube_state_metrics import METRICS
from tests.alerting.scraped import Scraped, scraped_server
from tests.chart.rendering import render, template

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"


class Burn(NamedTuple):
    """A budget, and one of the pairs of windows in which it may burn too fast. Times are in minutes."""

    objective: str
    budget: float
    long: tuple[str, int]
    short: tuple[str, int]
    factor: float
    wait: int
    """The rule's `for`."""
    step: int
    """Between two samples."""

    @property
    def alert(self) -> str:
        """The labels of the alert on it."""
        return f'alertname="{ALERT_OF[self.objective]}",long="{self.long[0]}",short="{self.short[0]}"'


WINDOWS: list[tuple[tuple[str, int], tuple[str, int], float, int, int]] = [
    (("1h", 60), ("5m", 5), 14.4, 2, 1),
    (("6h", 360), ("30m", 30), 6, 15, 1),
    (("1d", 1440), ("2h", 120), 3, 60, 5),
    (("3d", 4320), ("6h", 360), 1, 180, 5),
]
BURNS = [
    pytest.param(Burn(objective, budget, *windows), id=f"{objective}-{windows[0][0]}")
    for objective, budget in (("availability", 0.001), ("latency", 0.01))
    for windows in WINDOWS
]


@pytest.fixture(scope="module")
def promtool() -> str:
    """The program that checks and tests rules."""
    return prometheus.find("promtool")


def groups(helm: Path, *arguments: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The groups of rules that the chart renders."""
    given = {**VALUES, **(values or {})}
    return list(render(helm, *arguments, values=given)["PrometheusRule"]["spec"]["groups"])


def alerts(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The alerts among the rules."""
    return [rule for group in rules for rule in group["rules"] if "alert" in rule]


def budgets(helm: Path) -> list[dict[str, Any]]:
    """The group of the budgets alone: over days, the others would take another third of the time."""
    return [group for group in groups(helm) if group["name"] == "budgets"]


def names(rules: list[dict[str, Any]]) -> set[str]:
    """The names of the alerts."""
    return {str(alert["alert"]) for alert in alerts(rules)}


def bad_share(objective: str, share: float, phases: tuple[int, int, int], step: int) -> Series:
    """100 requests a minute, of which this share is bad in the second of three phases, given in minutes."""
    before, meanwhile, after = phases
    total = counter((sum(phases), 100), step=step)
    bad = counter((before, 0), (meanwhile, 100 * share), (after, 0), step=step)
    good = counter((before, 100), (meanwhile, 100 * (1 - share)), (after, 100), step=step)
    if objective == "availability":
        return {
            of_pod("flask_http_request_total", status="200", method="GET"): good,
            of_pod("flask_http_request_total", status="500", method="GET"): bad,
        }
    return {
        of_pod("flask_http_request_duration_seconds_count", route="/"): total,
        of_pod("flask_http_request_duration_seconds_bucket", route="/", le="0.5"): good,
    }


ALERT_OF = {"availability": "FlaskAppErrorBudgetBurn", "latency": "FlaskAppLatencyBudgetBurn"}


def test_promtool_accepts_the_rules(promtool: str, helm: Path, tmp_path: Path) -> None:
    done = prometheus.check(promtool, groups(helm), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("burn", BURNS)
def test_a_burning_budget_is_told_when_its_windows_say_so(
    promtool: str,
    helm4: Path,
    tmp_path: Path,
    burn: Burn,
) -> None:
    """It fires when the long window has as many bad requests as the factor allows, and resolves with the short one."""
    objective, budget, long, short, factor, wait, step = burn
    # Such that half of the long window is bad when it begins.
    share = 2 * factor * budget
    before, reached = long[1] + 60, long[1] / 2
    meanwhile = int(reached) + wait + 6 * step
    falls = short[1] * (1 - factor * budget / share)
    found = prometheus.firing_at(
        promtool,
        budgets(helm4),
        bad_share(objective, share, (before, meanwhile, short[1] + 60), step),
        {
            before - step: 0,
            before + int(reached) + wait - 3 * step: 0,
            before + int(reached) + wait + 4 * step: 1,
            before + meanwhile: 1,
            before + meanwhile + int(falls) + 3 * step: 0,
        },
        tmp_path,
        alert=burn.alert,
        step=burn.step,
    )
    assert not found, found


@pytest.mark.parametrize("burn", BURNS)
def test_a_budget_that_burns_just_slower_is_not_told(
    promtool: str,
    helm4: Path,
    tmp_path: Path,
    burn: Burn,
) -> None:
    """Also after many times the windows."""
    objective, budget, long, _, factor, wait, step = burn
    found = prometheus.firing_at(
        promtool,
        budgets(helm4),
        bad_share(objective, 0.97 * factor * budget, (60, long[1] + wait + 60, 0), step),
        {60 + long[1] + wait: 0, 60 + long[1] + wait + 55: 0},
        tmp_path,
        alert=burn.alert,
        step=burn.step,
    )
    assert not found, found


def test_requests_that_the_server_refuses_with_503_use_up_the_budget(
    promtool: str, helm4: Path, tmp_path: Path
) -> None:
    """A request that waited for a thread for too long never reaches the application."""
    samples = {
        of_pod("flask_http_request_total", status="200", method="GET"): counter((90, 100)),
        of_pod("nodrop_requests_refused_total", status="503"): counter((60, 0), (30, 10)),
        of_pod("nodrop_requests_refused_total", status="400"): counter((90, 0)),
    }
    found = prometheus.firing_at(
        promtool, groups(helm4), samples, {60: 0, 80: 1}, tmp_path,
        alert='alertname="FlaskAppErrorBudgetBurn",long="1h"',
    )  # fmt: skip
    assert not found, found


def test_bad_requests_of_clients_do_not(promtool: str, helm4: Path, tmp_path: Path) -> None:
    samples = {
        of_pod("flask_http_request_total", status="200", method="GET"): counter((90, 100)),
        of_pod("flask_http_request_total", status="404", method="GET"): counter((90, 50)),
        of_pod("nodrop_requests_refused_total", status="400"): counter((90, 50)),
    }
    found = prometheus.firing_at(
        promtool, groups(helm4), samples, {80: 0}, tmp_path, alert='alertname="FlaskAppErrorBudgetBurn"'
    )
    assert not found, found


def test_slow_requests_of_an_excluded_route_do_not_count(promtool: str, helm4: Path, tmp_path: Path) -> None:
    route = '/events/<channel>"'
    excluded = {"prometheusRule": {"enabled": True, "objectives": {"latencyExcludedRoutes": [route]}}}
    labels = {"route": route.replace('"', '\\"')}
    samples = {
        of_pod("flask_http_request_duration_seconds_count", **labels): counter((90, 100)),
        of_pod("flask_http_request_duration_seconds_bucket", le="0.5", **labels): counter((90, 0)),
    }
    burning = 'alertname="FlaskAppLatencyBudgetBurn",long="1h"'
    assert not prometheus.firing_at(promtool, groups(helm4), samples, {80: 1}, tmp_path, alert=burning)
    rules = groups(helm4, values=excluded)
    assert not prometheus.firing_at(promtool, rules, samples, {80: 0}, tmp_path, alert=burning)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_fires_and_resolves_in_time(promtool: str, helm4: Path, tmp_path: Path, case: Case) -> None:
    found = prometheus.firing_at(
        promtool, groups(helm4, values=case.values), case.series, case.firing, tmp_path,
        alert=f'alertname="{case.alert}"',
    )  # fmt: skip
    assert not found, found


@pytest.mark.parametrize("case", [case for case in CASES if any(case.firing.values())], ids=str)
def test_no_alert_on_what_belongs_to_another_release(promtool: str, helm4: Path, tmp_path: Path, case: Case) -> None:
    """Neither one of another namespace, nor one whose name begins with this one's."""
    for old, new in [('namespace="shop"', 'namespace="shop2"'), (NAME, f"{NAME}-2")]:
        series = {name.replace(old, new): samples for name, samples in case.series.items()}
        # Here what is its own is missing, which is what this one is about.
        expected = dict.fromkeys(case.firing, 0) if case.alert != "FlaskAppMetricsAbsent" else {8: 1}
        found = prometheus.firing_at(
            promtool, groups(helm4, values=case.values), series, expected, tmp_path, alert=f'alertname="{case.alert}"'
        )
        assert not found, found


def test_every_alert_is_tested(helm4: Path) -> None:
    assert names(groups(helm4)) == {case.alert for case in CASES if any(case.firing.values())} | set(ALERT_OF.values())


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory, helm4: Path) -> Iterator[Scraped]:
    """A Prometheus with the chart's rules that scrapes a real server."""
    with scraped_server(tmp_path_factory.mktemp("scraped"), POD, groups(helm4)) as scraped:
        yield scraped


def test_every_metric_of_the_rules_is_served(scraped: Scraped, helm4: Path) -> None:
    """By the server, with the labels it is selected by, or by kube-state-metrics as its documentation says."""
    missing = []
    for rule in (rule for group in groups(helm4) for rule in group["rules"]):
        for selector in prometheus.selectors(rule["expr"]):
            if selector.metric.startswith("kube_"):
                assert selector.labels - {"namespace"} <= METRICS[selector.metric], rule
            elif not selector.metric.startswith("flask_app:") and not scraped.prometheus.query(selector.text):
                missing.append(selector.text)
    assert not missing


def test_a_real_prometheus_evaluates_every_rule(scraped: Scraped) -> None:
    found = scraped.rules()
    assert {rule["name"]: rule.get("lastError", "") for rule in found if rule["health"] != "ok"} == {}
    assert len(found) > 20


def test_the_ratios_are_those_of_the_requests_that_were_sent(scraped: Scraped) -> None:
    """One of four fails. Those that the server refuses with a 4xx do not count."""
    [failed] = scraped.prometheus.query('flask_app:requests_failed:ratio_rate5m{app="web-flask-app"}')
    assert float(failed["value"][1]) == pytest.approx(0.25, abs=0.05)


def test_every_alert_has_a_runbook(helm4: Path) -> None:
    pages = {page.stem: page.read_text() for page in RUNBOOKS.glob("*.md") if page.stem != "README"}
    assert set(pages) == names(groups(helm4))
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n")
        headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
        assert headings == ["What it means", "What users see", "First look", "Causes and remedies"], name


def test_every_alert_says_what_it_is_about_and_where_the_runbook_is(helm: Path) -> None:
    for alert in alerts(groups(helm)):
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert (alert["labels"]["namespace"], alert["labels"]["app"]) == ("shop", NAME)
        assert alert["annotations"]["description"].endswith(f" Runbook: docs/runbooks/{alert['alert']}.md")
        assert "runbook_url" not in alert["annotations"]
    url = {"prometheusRule": {"enabled": True, "runbookUrl": "https://example.com/runbooks/"}}
    for alert in alerts(groups(helm, values=url)):
        assert alert["annotations"]["runbook_url"] == f"https://example.com/runbooks/{alert['alert']}"
        assert "Runbook:" not in alert["annotations"]["description"]


def test_no_word_is_left_to_fill_in(helm: Path) -> None:
    assert "[[" not in template(helm, values=VALUES).stdout


def test_labels_for_routing_are_on_every_alert_and_change_none_of_its_own(helm: Path) -> None:
    labels = {"team": "shop", "severity": "info"}
    given = {"prometheusRule": {"enabled": True, "alertLabels": labels}}
    for alert in alerts(groups(helm, values=given)):
        assert alert["labels"]["team"] == "shop"
        assert alert["labels"]["severity"] != "info"


def test_an_alert_can_be_left_out(helm: Path) -> None:
    left_out = ["FlaskAppErrorBudgetBurn", "FlaskAppTargetDown"]
    rules = groups(helm, values={"prometheusRule": {"enabled": True, "disabled": left_out}})
    assert names(groups(helm)) - names(rules) == set(left_out)
    assert not [rule for group in rules for rule in group["rules"] if "requests_failed" in str(rule)]


def test_groups_can_be_added(helm: Path) -> None:
    own = {"name": "own", "rules": [{"alert": "Own", "expr": "vector(1)", "annotations": {"summary": "{{ $value }}"}}]}
    assert groups(helm, values={"prometheusRule": {"enabled": True, "extraGroups": [own]}})[-1] == own


KUBERNETES = {"FlaskAppUnavailable", "FlaskAppPodsNotReady", "FlaskAppRolloutStuck", "FlaskAppCrashLooping"}
KUBERNETES |= {"FlaskAppOutOfMemory"}
AUTOSCALER = {"FlaskAppAutoscalerAtMaximum", "FlaskAppAutoscalerInactive"}
CRON = {"FlaskAppCronJobFailed", "FlaskAppCronJobNotRun"}


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"cronJobs": {}}, CRON),
        ({"migrations": {"enabled": False}}, {"FlaskAppMigrationFailed"}),
        ({"workers": {}, "autoscaling": {"mode": "fixed"}}, AUTOSCALER),
        ({"workers": {}, "podDisruptionBudget": {"enabled": False}}, {"FlaskAppDrainBlocked"}),
        ({"config": {"MAX_REQUESTS": 1000}}, {"FlaskAppWorkersRestarting"}),
        (
            {"prometheusRule": {"enabled": True, "kubeStateMetrics": False}},
            KUBERNETES | AUTOSCALER | CRON | {"FlaskAppDrainBlocked", "FlaskAppMigrationFailed"},
        ),
    ],
    ids=lambda part: " ".join(sorted(part)) if isinstance(part, set) else str(part),
)
def test_no_alert_on_what_the_release_does_not_have(helm: Path, values: dict[str, Any], gone: set[str]) -> None:
    assert names(groups(helm)) - names(groups(helm, values=values)) == gone


def test_no_alert_on_nodrop_for_another_server(helm: Path) -> None:
    values = {"management": {"enabled": False}, "probes": {"readiness": {"httpGet": {"path": "/", "port": "http"}}}}
    left = names(groups(helm, values=values))
    assert left == KUBERNETES | AUTOSCALER | CRON | {"FlaskAppDrainBlocked", "FlaskAppMigrationFailed"}


def test_an_objective_so_low_that_no_ratio_could_break_it_has_no_alert(helm: Path) -> None:
    objectives = {"prometheusRule": {"enabled": True, "objectives": {"latency": 90}}}
    burning = [alert for alert in alerts(groups(helm, values=objectives)) if "Latency" in alert["alert"]]
    assert [alert["labels"]["long"] for alert in burning] == ["6h", "1d", "3d"]


@pytest.mark.parametrize("seconds", [0.3, 0.05001, 100])
def test_a_latency_that_is_no_boundary_is_refused(helm: Path, seconds: float) -> None:
    objectives = {"prometheusRule": {"enabled": True, "objectives": {"latencySeconds": seconds}}}
    done = template(helm, values=objectives)
    assert f"prometheusRule.objectives.latencySeconds ({seconds:g}) is not a boundary" in done.stderr
    assert "set it to one of 0.005, 0.01" in done.stderr


@pytest.mark.parametrize(("seconds", "label"), [(1, "1.0"), (0.5, "0.5"), (0.3, "0.3")])
def test_the_boundary_is_written_as_in_the_label(helm: Path, seconds: float, label: str) -> None:
    values = {
        "config": {"METRICS_BUCKETS": "0.3, 0.5, 1"},
        "prometheusRule": {"enabled": True, "objectives": {"latencySeconds": seconds}},
    }
    assert f'le="{label}"' in str(groups(helm, values=values))


def test_pods_are_not_scraped_twice(helm: Path) -> None:
    done = template(helm, "podMonitor.enabled=true", "serviceMonitor.enabled=true")
    assert "every sample would be scraped twice" in done.stderr


@pytest.mark.parametrize("length", [20, 46, 47, 53, 63])
def test_pods_of_a_name_of_any_length_are_found(helm4: Path, length: int) -> None:
    """Kubernetes makes a pod's name of the first 58 characters of its ReplicaSet's and 5 at random."""
    name = "w" * length
    pattern = re.findall(r'up\{namespace="shop",pod=~"([^"]+)"', str(groups(helm4, f"fullnameOverride={name}")))[0]
    assert re.fullmatch(pattern, f"{name}-6b7f9c4d58-"[:58] + "x2k4q")
    assert not re.fullmatch(pattern, "x" + f"{name}-6b7f9c4d58-"[:58] + "x2k4q")


@pytest.mark.parametrize("pod", [f"{NAME}-migrations-x2k4q", f"{NAME}-db-0", f"{NAME}-celery-7f6d5c4b9-zz9kp"])
def test_other_pods_whose_names_begin_alike_are_not_the_servers(helm4: Path, pod: str) -> None:
    pattern = re.findall(r'up\{namespace="shop",pod=~"([^"]+)"', str(groups(helm4)))[0]
    assert re.fullmatch(pattern, POD)
    assert not re.fullmatch(pattern, pod)
