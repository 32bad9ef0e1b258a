"""Each alert of the chart fires in a real Prometheus when its fault is injected, and resolves when the fault ends.

What takes hours is not here: the alerts on the windows of 6 hours, 1 day and 3 days, which are the same rule with other
figures, and a cron job that did not run, for which the cluster's own controller would have to fail. promtool replays
those (tests/alerting/).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

import cluster as kind_cluster
from harness.cluster import images
from harness.cluster.images import Images
from harness.cluster.release import Target
from observability.history import History
from observability.monitoring import Key, Monitoring
from observability.troubled import Troubled
from observability.troubles import TROUBLES, Alert, Trouble

# All of the troubles together are in the first test's time.
pytestmark = [pytest.mark.complete, pytest.mark.timeout(3600)]
POLL_SECONDS = 5
IMAGE = "flask-app-prometheus:test"
ALERTS = [(trouble, alert) for trouble in TROUBLES for alert in trouble.alerts]


@dataclass
class Timeline:
    """The history of the alerts, with the times at which the troubles began and ended."""

    history: History
    began: dict[str, float]
    ended: dict[str, float]


@pytest.fixture(scope="module")
def timeline(target: Target, namespace: str, images_: Images) -> Iterator[Timeline]:
    """All faults are injected at the same time, and each is taken away when its alerts have fired."""
    images.build_folder("observability", IMAGE)
    kind_cluster.load(target.context.removeprefix("kind-"), IMAGE)
    releases = [Troubled(target, namespace, images_.first, IMAGE, trouble) for trouble in TROUBLES]
    monitors = [release.rendered("PodMonitor") for release in releases]
    rules = [release.rendered("PrometheusRule") for release in releases]
    with Monitoring(target, IMAGE, namespace, monitors, rules) as monitoring:
        history = History(monitoring)
        began = _begin(releases)
        ended = _watch(history, releases, began)
        yield Timeline(history, began, ended)


def _key(trouble: Trouble, alert: Alert) -> Key:
    return alert.name, f"{trouble.name}-flask-app", alert.long


def _begin(releases: list[Troubled]) -> dict[str, float]:
    """Install the releases, those that can be ready first, and begin the troubles."""
    began = {}
    sound = [release for release in releases if release.trouble.act != "install and kill Helm"]
    for release in sound:
        release.install()
        began[release.trouble.name] = time.monotonic()
    for release in sound:
        if release.trouble.name != "crash":
            release.wait_ready()
        release.start_clients()
    with ThreadPoolExecutor(len(releases)) as together:
        for release in releases:
            if release.trouble.act or release.trouble.meanwhile:
                began[release.trouble.name] = time.monotonic()
        list(together.map(Troubled.begin, releases))
    return began


def _watch(history: History, releases: list[Troubled], began: dict[str, float]) -> dict[str, float]:
    """Look until all alerts have fired and are over, or should be. End each trouble that has nothing more to show."""
    keys = {_key(trouble, alert) for trouble, alert in ALERTS}
    longest = max(alert.within for _, alert in ALERTS) + max(alert.resolved_within for _, alert in ALERTS)
    deadline = time.monotonic() + longest
    ended: dict[str, float] = {}
    while time.monotonic() < deadline and (len(ended) < len(releases) or history.firing & keys):
        history.look()
        for release in releases:
            trouble = release.trouble
            fired = all(_key(trouble, alert) in history.seen for alert in trouble.alerts)
            late = time.monotonic() > began[trouble.name] + max(alert.within for alert in trouble.alerts)
            if trouble.name not in ended and (fired or late):
                release.end()
                ended[trouble.name] = time.monotonic()
        time.sleep(POLL_SECONDS)
    return ended


@pytest.mark.parametrize(("trouble", "alert"), ALERTS, ids=lambda each: each.name)
def test_an_alert_fires_and_resolves_within_its_windows(trouble: Trouble, alert: Alert, timeline: Timeline) -> None:
    """Not before its rule has waited, and not long after."""
    key = _key(trouble, alert)
    seen = timeline.history.seen.get(key)
    assert seen, f"{alert.name} did not fire"
    fired = seen.first - timeline.began[trouble.name]
    over = seen.last - (timeline.began if alert.once else timeline.ended)[trouble.name]
    print(f"{alert.name}: fired after {fired:.0f} s, resolved after {over:.0f} s")
    assert alert.after <= fired <= alert.within
    assert key not in timeline.history.firing, "it still fires"
    assert over <= alert.resolved_within


def test_no_rule_fails(timeline: Timeline) -> None:
    """A rule that Prometheus can't evaluate is silent."""
    assert timeline.history.ill == {}


def test_what_an_alert_says_is_filled_in(timeline: Timeline) -> None:
    for seen in timeline.history.seen.values():
        text = seen.alert["annotations"]["description"]
        assert "<no value>" not in text
        assert "{{" not in text
        assert "docs/runbooks/" in text


def test_no_release_has_the_alerts_of_another(timeline: Timeline) -> None:
    """Each says what is wrong with itself, and with what follows from that."""
    follows = {
        # Whose pods are not ready, or whose clients wait, has these too.
        "queue": {"FlaskAppErrorBudgetBurn", "FlaskAppLatencyBudgetBurn"},
        "crash": {"FlaskAppTargetDown", "FlaskAppErrorBudgetBurn"},
        "deaf": {"FlaskAppUnavailable", "FlaskAppPodsNotReady", "FlaskAppRolloutStuck"},
        "gone": {"FlaskAppUnavailable"},
        "slow": {"FlaskAppThreadsBusy"},
        "migrated": {"FlaskAppMetricsAbsent"},
        "exits": {"FlaskAppErrorBudgetBurn", "FlaskAppLatencyBudgetBurn"},
        "scaled": {"FlaskAppLatencyBudgetBurn", "FlaskAppRequestsQueueing"},
    }
    for trouble in TROUBLES:
        told = {name for name, release, _ in timeline.history.seen if release == f"{trouble.name}-flask-app"}
        assert told - {alert.name for alert in trouble.alerts} <= follows.get(trouble.name, set()), trouble.name
