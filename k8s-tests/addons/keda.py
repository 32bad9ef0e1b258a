"""KEDA, and what it says of a ScaledObject."""

from __future__ import annotations

import json
from typing import Any

from addons.addon import Addon
from harness.cluster import wait
from harness.cluster.release import Target
from harness.cluster.shell import run

NAMESPACE = "keda"
KEDA = Addon(
    name="keda",
    namespace=NAMESPACE,
    workloads=("deployment/keda-operator", "deployment/keda-metrics-apiserver", "deployment/keda-admission"),
)
# As long as an operator that has just started takes to become the leader.
READY_SECONDS = 90


def install(target: Target) -> None:
    """Install KEDA and wait until its metrics are served; raises AddonUnavailable."""
    KEDA.install(target)
    api = ("wait", "apiservice/v1beta1.external.metrics.k8s.io", "--for=condition=Available", "--timeout=60s")
    run(target.kubectl_command(*api))


def uninstall(target: Target) -> None:
    """Remove KEDA, its objects first: they have a finalizer that needs its operator."""
    everything = ("delete", "scaledobjects.keda.sh", "--all", "--all-namespaces", "--wait", "--timeout=60s")
    # Where it could not be installed, there is no such kind.
    run(target.kubectl_command(*everything), check=False)
    KEDA.uninstall(target)


def scaled_object(target: Target, namespace: str, name: str) -> dict[str, Any]:
    """The ScaledObject as it is now."""
    get = ("--namespace", namespace, "get", "scaledobjects.keda.sh", name, "--output=json")
    found: dict[str, Any] = json.loads(run(target.kubectl_command(*get)).stdout)
    return found


def conditions(target: Target, namespace: str, name: str) -> dict[str, str]:
    """The conditions of the ScaledObject: their status by their type, such as {"Ready": "True"}."""
    status = scaled_object(target, namespace, name).get("status", {})
    return {each["type"]: each["status"] for each in status.get("conditions", [])}


def wait_ready(target: Target, namespace: str, name: str) -> None:
    """Wait until KEDA has taken the ScaledObject and made its HorizontalPodAutoscaler."""
    wait.until(
        f"the ScaledObject {name} is ready",
        lambda: conditions(target, namespace, name).get("Ready") == "True",
        timeout=READY_SECONDS,
    )
