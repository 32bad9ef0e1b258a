"""The pods of a namespace as Prometheus' discovery by Kubernetes names them, for its discovery by HTTP.

Debian's package is built without the former. Standard library only: it runs in the image of Prometheus.
"""

from __future__ import annotations

import re
from typing import Any

Object = dict[str, Any]


def targets(pods: list[Object]) -> list[Object]:
    """A target for each port of each container of the pods that have an address, with the labels that go with it."""
    return [
        {
            "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
            "labels": {
                **_labels(pod),
                "__meta_kubernetes_pod_container_name": container["name"],
                "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
            },
        }
        for pod in pods
        if pod.get("status", {}).get("podIP")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    ]


def _labels(pod: Object) -> dict[str, str]:
    metadata, meta = pod["metadata"], "__meta_kubernetes"
    own = {
        f"{meta}_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', label)}": value
        for label, value in metadata.get("labels", {}).items()
    }
    return {
        **own,
        f"{meta}_namespace": metadata["namespace"],
        f"{meta}_pod_name": metadata["name"],
        f"{meta}_pod_phase": pod["status"]["phase"],
    }
