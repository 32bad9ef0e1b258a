"""Names and labels are valid whatever the release is called, and the notes say how to reach it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import CHART, IMAGE, Object

WORKLOADS: Object = {
    "workers": {"celery": {"command": ["w"], "replicaCount": 2}},
    "cronJobs": {"newsletter": {"command": ["c"], "schedule": "@daily"}},
    "migrations": {"enabled": True},
    "secrets": {"values": {"K": "v"}},
    "configFiles": {"/a": "b"},
    "persistence": {"enabled": True},
}


def helm_run(helm: Path, *arguments: str, values: Object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(helm), *arguments, str(CHART), "--namespace", "shop", "--values", "-"],
        input=json.dumps(IMAGE | values), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def notes(helm4: Path, **values: object) -> str:
    """What `helm install` prints with these values. Helm 3 asks a cluster even for a dry run."""
    done = helm_run(helm4, "install", "web", "--dry-run=client", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:\n")[2]


@pytest.mark.parametrize("name", ["web-flask-app", "x" * 53, "true", "null", "my.app", "e1"])
@pytest.mark.parametrize("tag", ["1.0", "a" * 61 + "_.bbb", "_x-", "true"])
def test_names_and_labels_are_valid_whatever_the_release_is_called(helm4: Path, name: str, tag: str) -> None:
    done = helm_run(helm4, "template", name, values=WORKLOADS | {"image": {"repository": "r/i", "tag": tag}})
    assert done.returncode == 0, done.stderr
    names: set[tuple[str, str]] = set()
    for o in filter(None, yaml.safe_load_all(done.stdout)):
        # A CronJob's Jobs have eleven characters more, and are to fit too.
        longest = 52 if o["kind"] == "CronJob" else 63
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", o["metadata"]["name"])
        assert len(o["metadata"]["name"]) <= longest
        names.add((o["kind"], o["metadata"]["name"]))
        for label in o["metadata"]["labels"].values():
            assert isinstance(label, str)
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", label)
    assert len(names) >= 16


@pytest.mark.parametrize("name", ["123", "1st"])
def test_a_release_name_that_no_service_can_have_is_refused(helm4: Path, name: str) -> None:
    refused = helm_run(helm4, "template", name, values={})
    assert "must begin with a letter" in refused.stderr
    assert "fullnameOverride" in refused.stderr


def test_the_notes_end_with_the_command_to_reach_it(helm4: Path) -> None:
    last = notes(helm4).strip().splitlines()[-1]
    assert last == "kubectl --namespace shop port-forward service/web-flask-app 5000:5000"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"autoscaling": {"minReplicas": 1}}, "set\nautoscaling.minReplicas to 2 or more"),
        ({"autoscaling": {"mode": "fixed"}, "replicaCount": 1}, "set\nreplicaCount to 2 or more"),
        ({"autoscaling": {"mode": "fixed"}, "replicaCount": 3}, "with 3 replicas."),
        ({"autoscaling": {"mode": "external"}}, "left to another controller"),
        ({"rollout": {"strategy": "Recreate"}}, "Each rollout interrupts the service"),
        ({"management": {"enabled": False}}, "--set probes.readiness.httpGet.path=/health"),
        ({"management": {"enabled": False}}, "A server that hangs is not restarted"),
        ({"service": {"type": "NodePort"}}, "jsonpath='{.spec.ports[0].nodePort}'"),
        ({"service": {"type": "LoadBalancer", "port": 80}}, "http://<address>:80"),
        ({"ingress": {"enabled": True, "hosts": [{"host": "a.example"}]}}, "Ingress:     http://a.example\n"),
        (
            {
                "ingress": {
                    "enabled": True,
                    "hosts": [{"host": "a.example"}],
                    "tls": [{"secretName": "s", "hosts": ["a.example"]}],
                }
            },
            "https://a.example\n",
        ),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["b.example"]}},
            "http://b.example",
        ),
        ({"workers": {"celery": {"command": ["w"]}}}, "Worker:      web-flask-app-celery"),
    ],
)
def test_the_notes_say_what_there_is_and_what_to_mind(helm4: Path, values: Object, said: str) -> None:
    assert said in notes(helm4, **values)
    assert said not in notes(helm4)


def test_the_notes_have_no_holes(helm4: Path) -> None:
    for values in ({}, WORKLOADS, {"service": {"type": "NodePort"}}, {"management": {"enabled": False}}):
        text = notes(helm4, **values)
        assert "\n\n\n" not in text
        assert "<no value>" not in text
        assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_a_server_that_names_its_probes_is_not_told_to(helm4: Path) -> None:
    probe = {"httpGet": {"path": "/", "port": "http"}}
    text = notes(helm4, management={"enabled": False}, probes={"readiness": probe, "liveness": probe})
    assert "WARNING" not in text
