"""The dashboard of the chart: its queries run in a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerting import prometheus
from tests.alerting.alert_cases import NAME, POD
from tests.alerting.kube_state_metrics import METRICS
from tests.alerting.scraped import Scraped, scraped_server
from tests.chart.rendering import CHART, render, template

Dashboard = dict[str, Any]
# What Grafana puts in for a scrape interval of a second.
INTERVAL = "15s"


def dashboard(helm: Path, *arguments: str, values: dict[str, Any] | None = None) -> Dashboard:
    """The dashboard, as Grafana reads it."""
    rendered = render(helm, "dashboard.enabled=true", *arguments, values=values)
    [found] = [o for o in rendered.all("ConfigMap") if o["metadata"]["name"].endswith("-dashboard")]
    [(file, text)] = found["data"].items()
    assert file.endswith(".json")
    return dict(json.loads(text))


def panels(board: Dashboard) -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def chosen(board: Dashboard) -> dict[str, str]:
    """What is put in for each variable."""
    variables = {each["name"]: each for each in board["templating"]["list"]}
    values = {name: each["current"].get("value", "") for name, each in variables.items()}
    return {**values, "pod": variables["pod"]["allValue"], "__rate_interval": INTERVAL}


def filled_in(query: str, values: dict[str, str]) -> str:
    """A query as Grafana sends it."""
    for name in sorted(values, key=len, reverse=True):
        query = query.replace(f"${name}", values[name])
    assert "$" not in re.sub(r"\{5\}\$", "", query), query
    return query


def queries(board: Dashboard) -> list[tuple[str, str]]:
    """The queries of all panels, each with the title of its panel."""
    values = chosen(board)
    return [
        (panel["title"], filled_in(target["expr"], values)) for panel in panels(board) for target in panel["targets"]
    ]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """A Prometheus that scrapes a real server."""
    with scraped_server(tmp_path_factory.mktemp("scraped"), POD, []) as scraped:
        yield scraped


def test_every_query_of_the_dashboard_gives_data(scraped: Scraped, helm4: Path) -> None:
    """Those of kube-state-metrics' metrics are only accepted: it is not there."""
    empty = []
    for title, query in queries(dashboard(helm4)):
        if not scraped.prometheus.query(query) and "kube_" not in query:
            empty.append((title, query))
    assert not empty


def test_metrics_of_kube_state_metrics_are_those_that_it_documents(helm4: Path) -> None:
    for _, query in queries(dashboard(helm4)):
        for selector in prometheus.selectors(query):
            if selector.metric.startswith("kube_"):
                assert selector.labels - {"namespace"} <= METRICS[selector.metric], query


def test_the_choices_of_the_dashboard_are_found(scraped: Scraped, helm4: Path) -> None:
    """Namespace, Deployment and pod, from the labels that every way of scraping sets."""
    board = dashboard(helm4)
    variables = {each["name"]: each for each in board["templating"]["list"]}
    values, found = chosen(board), {}
    for name in ("namespace", "deployment", "pod"):
        series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variables[name]["definition"]).groups()  # type: ignore[union-attr]
        listed = scraped.prometheus.get(f"label/{label}/values", **{"match[]": filled_in(series, values)})
        pattern = variables[name]["regex"].strip("/") or "(.+)"
        found[name] = [re.sub(pattern, r"\1", each) for each in listed]
    assert found == {"namespace": ["shop"], "deployment": [NAME], "pod": [POD]}


def test_every_selector_is_by_the_release(helm4: Path) -> None:
    """No panel shows what belongs to another."""
    for _, query in queries(dashboard(helm4)):
        for selector in prometheus.selectors(query):
            assert "namespace" in selector.labels
            assert selector.labels & {"pod", "deployment", "horizontalpodautoscaler"}, query


def test_it_has_a_panel_for_each_thing_that_is_looked_at_in_an_incident(helm: Path) -> None:
    shown = str([panel["targets"] for panel in panels(dashboard(helm))])
    for metric in (
        "flask_http_request_total", "flask_http_request_duration_seconds_bucket", "flask_http_requests_in_flight",
        "nodrop_threads_busy", "nodrop_threads{", "nodrop_queue_seconds_bucket", "nodrop_oldest_wait_seconds",
        "nodrop_accept_queue_length", "nodrop_streams{", "nodrop_requests_refused_total", "nodrop_queue_timeouts_total",
        "nodrop_requests_dropped_total", "nodrop_connections_closed_total", "process_cpu_seconds_total",
        "process_resident_memory_bytes", "kube_pod_container_status_restarts_total",
        "kube_horizontalpodautoscaler_status_desired_replicas",
    ):  # fmt: skip
        assert metric in shown, metric
    assert "heatmap" in {panel["type"] for panel in panels(dashboard(helm))}


def test_panels_have_room_of_their_own(helm4: Path) -> None:
    taken: set[tuple[int, int]] = set()
    board = dashboard(helm4)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_each_release_has_a_dashboard_of_its_own(helm: Path) -> None:
    """Grafana takes one of each identifier."""
    one, other = dashboard(helm), dashboard(helm, "fullnameOverride=other")
    assert (one["title"], other["title"]) == (f"shop / {NAME}", "shop / other")
    assert one["uid"] != other["uid"]
    assert len(one["uid"]) <= 40


def test_the_objectives_are_shown(helm: Path) -> None:
    objectives = {"availability": 99.5, "latency": 95, "latencySeconds": 1}
    board = dashboard(helm, values={"prometheusRule": {"objectives": objectives}})
    values = chosen(board)
    assert (values["error_budget"], values["latency_budget"], values["latency_bucket"]) == ("0.005", "0.05", "1.0")


def test_it_carries_the_labels_that_the_sidecar_looks_for(helm: Path) -> None:
    rendered = render(helm, "dashboard.enabled=true")
    [found] = [o for o in rendered.all("ConfigMap") if o["metadata"]["name"].endswith("-dashboard")]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_what_is_in_it_reaches_the_cluster_as_it_is_written(helm: Path) -> None:
    """Legends have braces as templates do."""
    written = json.loads((CHART / "observability" / "dashboard.json").read_text())
    assert dashboard(helm)["panels"] == written["panels"]
    assert "{{status}}" in template(helm, "dashboard.enabled=true").stdout
