"""How Prometheus finds the pods of a release: PodMonitor, ServiceMonitor, or annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import render, template


def test_nothing_is_there_for_an_operator_that_the_cluster_may_not_have(helm: Path) -> None:
    """A kind that the cluster does not know fails the whole installation."""
    kinds = render(helm).kinds()
    assert not {"PodMonitor", "ServiceMonitor", "PrometheusRule"} & set(kinds)


def test_a_pod_monitor_selects_the_server_and_no_worker(helm: Path) -> None:
    rendered = render(helm, "podMonitor.enabled=true", "workers.celery.command={celery}")
    selector = rendered["PodMonitor"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= rendered.pod["metadata"]["labels"].items()
    worker = rendered.of("Deployment", "worker-celery")["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= worker.items()


def test_the_port_that_is_scraped_is_one_of_the_container(helm: Path) -> None:
    rendered = render(helm, "podMonitor.enabled=true")
    [endpoint] = rendered["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "management", "path": "/metrics"}
    assert "management" in [port["name"] for port in rendered.container["ports"]]


def test_a_service_monitor_finds_each_pod_once(helm: Path) -> None:
    """By the headless Service, not by the one that clients use."""
    rendered = render(helm, "serviceMonitor.enabled=true")
    spec = rendered["ServiceMonitor"]["spec"]
    chosen = [
        service
        for service in rendered.all("Service")
        if spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]
    assert chosen == [rendered.peers]
    [endpoint] = spec["endpoints"]
    assert [port["name"] for port in rendered.peers["spec"]["ports"]] == [endpoint["port"]]


@pytest.mark.parametrize("monitor", ["podMonitor", "serviceMonitor"])
def test_the_endpoint_takes_every_field_of_the_operators(helm: Path, monitor: str) -> None:
    own = {"scrapeTimeout": "5s", "relabelings": [{"targetLabel": "team", "replacement": "shop"}]}
    values: dict[str, Any] = {
        monitor: {"enabled": True, "interval": "15s", "endpoint": own, "labels": {"release": "prometheus"}}
    }
    found = render(helm, values=values)[f"{monitor[0].upper()}{monitor[1:]}"]
    [endpoint] = found["spec"].get("podMetricsEndpoints") or found["spec"]["endpoints"]
    assert endpoint == {"port": "management", "path": "/metrics", "interval": "15s", **own}
    assert found["metadata"]["labels"]["release"] == "prometheus"


def test_a_service_monitor_of_another_port_is_refused(helm: Path) -> None:
    done = template(helm, "serviceMonitor.enabled=true", "metrics.port=http")
    assert "serviceMonitor.enabled finds the port management only" in done.stderr
