"""The add-ons do what the tests of the chart rely on: KEDA scales and refuses, and the network enforces policies."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from addons import keda as keda_addon
from addons.network_policies import denied_within
from addons.peer import PORT, Peer
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import Target
from harness.cluster.shell import run

pytestmark = pytest.mark.complete

NAME = "sleeper"
COUNTED = {"counted": "true"}
SCALED_SECONDS = 90


def objects(image: str) -> list[dict[str, Any]]:
    """A Deployment, and a ScaledObject that has it at as many replicas as there are pods with the label COUNTED."""
    container = {
        "name": NAME,
        "image": image,
        "command": ["sleep", "infinity"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    labels = {"app": NAME}
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    count = {"podSelector": "counted=true", "value": "1"}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": NAME},
            "spec": {
                "scaleTargetRef": {"name": NAME},
                "pollingInterval": 5,
                "minReplicaCount": 1,
                "maxReplicaCount": 4,
                "triggers": [{"type": "kubernetes-workload", "metadata": count}],
            },
        },
    ]


@pytest.fixture
def scaled(target: Target, namespace: str, images_: Images, keda: None) -> Iterator[str]:  # noqa: ARG001
    """The name of a Deployment that KEDA scales."""
    kubectl = target.kubectl_command("--namespace", namespace)
    for thing in objects(images_.prober):
        run([*kubectl, "create", "--filename", "-"], stdin=json.dumps(thing))
    yield NAME
    run([*kubectl, "delete", "scaledobject,deployment", NAME, "--wait", "--timeout=60s"])


def test_keda_scales_a_deployment_by_an_external_metric(
    target: Target, namespace: str, images_: Images, scaled: str
) -> None:
    """Ready is said by the operator; three replicas take its metrics server as well."""
    keda_addon.wait_ready(target, namespace, scaled)
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(Peer(target, images_.prober, namespace, f"counted-{number}", COUNTED))
        wait.until(
            "three replicas",
            lambda: target.apps.read_namespaced_deployment(scaled, namespace).spec.replicas == 3,
            timeout=SCALED_SECONDS,
        )


def test_keda_refuses_a_second_owner_of_a_deployment(target: Target, namespace: str, scaled: str) -> None:
    """Its admission webhook works, so that a chart with two owners would be found out."""
    second = {**objects("")[1], "metadata": {"name": "second"}}
    refused = run(
        target.kubectl_command("--namespace", namespace, "create", "--filename", "-"),
        stdin=json.dumps(second),
        check=False,
    )
    assert refused.returncode != 0
    assert f"already managed by the ScaledObject '{scaled}" in refused.stderr


def test_a_network_policy_denies_whom_it_does_not_name(
    target: Target,
    namespace: str,
    images_: Images,
    network_policies: None,  # noqa: ARG001
) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "named-only"},
        "spec": {
            "podSelector": {"matchLabels": {"role": "server"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "named"}}}], "ports": [{"port": PORT}]}],
        },
    }
    kubectl = target.kubectl_command("--namespace", namespace)
    with ExitStack() as stack:
        server, named, other = (
            stack.enter_context(Peer(target, images_.prober, namespace, role, {"role": role}))
            for role in ("server", "named", "other")
        )
        assert other.connects(server.address, PORT)
        stack.callback(run, [*kubectl, "delete", "networkpolicy", "named-only"])
        run([*kubectl, "create", "--filename", "-"], stdin=json.dumps(policy))
        assert denied_within(other, server.address, PORT)
        assert named.connects(server.address, PORT)
