"""Pods of the tests' own beside a release, where no fault reaches them, such as a queue's server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.cluster import wait
from harness.cluster.release import Target
from harness.cluster.shell import run
from harness.measuring.prober import control_plane

READY_SECONDS = 150


@contextmanager
def running(
    target: Target,
    namespace: str,
    name: str,
    image: str,
    *,
    command: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[None]:
    """A pod that runs while the `with` block does, on the control plane's node.

    port: what it listens on, which is waited for; a Service of the same name then leads there.
    """
    kubectl = target.kubectl_command("--namespace", namespace)
    items = [_pod(target, name, image, command, env or {}, port), *([_service(name, port)] if port else [])]
    run([*kubectl, "create", "--filename", "-"], stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    try:
        wait.until(f"the pod {name} is ready", lambda: _is_ready(target, namespace, name), timeout=READY_SECONDS)
        yield
    finally:
        gone = ["delete", "--ignore-not-found", "--grace-period=0", "--force", f"pod/{name}", f"service/{name}"]
        run([*kubectl, *gone])


def _is_ready(target: Target, namespace: str, name: str) -> bool:
    pod = target.core.read_namespaced_pod(name, namespace)
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])


def _pod(
    target: Target, name: str, image: str, command: Sequence[str], env: Mapping[str, str], port: int | None
) -> dict[str, Any]:
    """A pod that the restricted Pod Security Standard admits."""
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **({"command": list(command)} if command else {}),
        **({"readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}} if port else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "nodeSelector": control_plane(target),
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def _service(name: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": port}]},
    }
