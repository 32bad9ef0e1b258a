"""What stands beside Prometheus in the proof on kind says what kube-state-metrics and the Prometheus Operator would."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from observability import manifests, state
from observability.kube_state import exposition
from tests.alerting import prometheus
from tests.alerting.alert_cases import NAME, POD
from tests.alerting.kube_state_metrics import METRICS
from tests.chart.rendering import render
from tests.serving_process import free_port, until

WHEN = "2026-11-26T10:00:00Z"
META = {"namespace": "shop", "uid": "1", "creationTimestamp": WHEN}
# Everything of which something is told, once.
OBJECTS: dict[str, list[dict[str, Any]]] = {
    "pods": [
        {
            "metadata": {**META, "name": POD, "labels": {"app.kubernetes.io/name": "other"}},
            "spec": {
                "nodeName": "worker",
                "containers": [{"name": "flask-app", "resources": {"limits": {"memory": "256Mi", "cpu": "1"}}}],
            },
            "status": {
                "phase": "Running",
                "initContainerStatuses": [
                    {
                        "name": "wait",
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"reason": "OOMKilled"}},
                    }
                ],
                "containerStatuses": [
                    {
                        "name": "flask-app",
                        "restartCount": 2,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"reason": "OOMKilled"}},
                    }
                ],
            },
        }
    ],
    "deployments": [
        {
            "metadata": {**META, "name": NAME},
            "spec": {"replicas": 2},
            "status": {"conditions": [{"type": "Progressing", "status": "False", "reason": "Deadline"}]},
        }
    ],
    "horizontalpodautoscalers": [
        {
            "metadata": {**META, "name": NAME},
            "spec": {"minReplicas": 1, "maxReplicas": 4},
            "status": {"currentReplicas": 4, "conditions": [{"type": "ScalingActive", "status": "Unknown"}]},
        }
    ],
    "poddisruptionbudgets": [{"metadata": {**META, "name": NAME}, "status": {"expectedPods": 2}}],
    "cronjobs": [{"metadata": {**META, "name": "letter"}, "status": {"lastSuccessfulTime": WHEN}}],
    "jobs": [
        {
            "metadata": {**META, "name": "letter-1"},
            "status": {"startTime": WHEN, "conditions": [{"type": "Failed", "status": "True"}]},
        }
    ],
}


def test_what_is_told_of_objects_has_the_names_and_labels_of_kube_state_metrics() -> None:
    """All that alerts use, but when a cron job is due next."""
    found = {
        match[1]: set(re.findall(r'(\w+)="', match[2])) - {"namespace"}
        for match in re.finditer(r"^(\w+)\{(.*)\} \S+$", exposition(OBJECTS), re.MULTILINE)
    }
    assert found == {name: labels for name, labels in METRICS.items() if name != "kube_cronjob_next_schedule_time"}


@pytest.mark.parametrize(
    "sample",
    [
        f'kube_deployment_status_replicas_available{{namespace="shop",deployment="{NAME}"}} 0',
        'condition="Progressing",status="false",reason="Deadline"} 1.0',
        'condition="Progressing",status="true",reason="Deadline"} 0.0',
        'condition="ScalingActive",status="unknown"} 1.0',
        'kube_job_failed{namespace="shop",job_name="letter-1",condition="true"} 1.0',
        'kube_job_status_start_time{namespace="shop",job_name="letter-1"} 1795687200.0',
        'resource="memory",unit="byte",node="worker"} 268435456',
    ],
)
def test_values_are_those_of_the_objects(sample: str) -> None:
    assert sample in exposition(OBJECTS)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, dict[str, list[dict[str, Any]]]]]:
    """The program, at a port, and the objects that it finds in the cluster."""
    objects: dict[str, list[dict[str, Any]]] = {kind: [] for kind in state.LISTED}
    monkeypatch.setattr(state, "listed", lambda _: objects)
    monkeypatch.setattr(state.Handler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), state.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, objects
    server.shutdown()
    server.server_close()


def pod(monitor: dict[str, Any], name: str, number: int, **changes: Any) -> dict[str, Any]:
    """A pod that the monitor selects."""
    labels = {**monitor["spec"]["selector"]["matchLabels"], **changes.get("labels", {})}
    ports = [
        {"name": "http", "containerPort": 5000},
        {"name": changes.get("port", "management"), "containerPort": number},
    ]
    return {
        "metadata": {**META, "name": name, "labels": labels},
        "spec": {"containers": [{"name": "flask-app", "ports": ports}]},
        "status": {"phase": changes.get("phase", "Running"), "podIP": "127.0.0.1"},
    }


def test_pods_are_scraped_as_the_operator_would_have_it(
    told: tuple[int, dict[str, list[dict[str, Any]]]], helm4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One target a pod, at the port that the PodMonitor names, with the labels that the alerts select by."""
    port, objects = told
    monkeypatch.setattr(manifests, "STATE_PORT", port)
    monitor = render(helm4, "podMonitor.enabled=true")["PodMonitor"]
    objects["pods"] += [
        pod(monitor, POD, 5001),
        pod(monitor, "worker", 5002, labels={"app.kubernetes.io/component": "worker-celery"}),
        pod(monitor, "ended", 5003, phase="Succeeded"),
        pod(monitor, "portless", 5004, port="other"),
    ]
    (tmp_path / "prometheus.yaml").write_text(json.dumps({**manifests.configuration([monitor]), "rule_files": []}))
    running = prometheus.Prometheus(free_port())
    command = [
        prometheus.find("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{running.port}",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            until("Prometheus is ready", lambda: prometheus.is_ready(running))

            def found() -> list[dict[str, Any]]:
                targets = running.get("targets", state="active")["activeTargets"]
                return [target for target in targets if target["scrapePool"].startswith("podMonitor/")]

            until("the pods are found", lambda: bool(found()))
            labels = [(target["scrapeUrl"], target["labels"]) for target in found()]
        finally:
            process.terminate()
    expected = {
        "namespace": "shop",
        "pod": POD,
        "container": "flask-app",
        "endpoint": "management",
        "job": f"shop/{NAME}",
        "instance": "127.0.0.1:5001",
    }
    assert labels == [("http://127.0.0.1:5001/metrics", expected)]
