"""The objects of Prometheus in the test cluster, and its configuration, made of the chart's own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from observability.state import LISTED

Object = dict[str, Any]

NAMESPACE = "monitoring"
NAME = "prometheus"
PORT = 9090
STATE_PORT = 9091
SCRAPE_SECONDS = 10
# As of the Prometheus Operator: what it puts in front of every pod that a PodMonitor selects.
_LABELS = {
    "__meta_kubernetes_namespace": "namespace",
    "__meta_kubernetes_pod_container_name": "container",
    "__meta_kubernetes_pod_name": "pod",
}


def scrape_config(monitor: Object) -> Object:
    """The scrape that the Prometheus Operator makes of a PodMonitor."""
    metadata, [endpoint] = monitor["metadata"], monitor["spec"]["podMetricsEndpoints"]
    relabel: list[Object] = [
        {
            "action": "keep",
            "source_labels": [f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', label)}"],
            "regex": re.escape(value),
        }
        for label, value in monitor["spec"]["selector"]["matchLabels"].items()
    ]
    relabel += [
        {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
        {
            "action": "keep",
            "source_labels": ["__meta_kubernetes_pod_container_port_name"],
            "regex": endpoint["port"],
        },
    ]
    relabel += [{"source_labels": [source], "target_label": target} for source, target in _LABELS.items()]
    relabel += [
        {"target_label": "job", "replacement": f"{metadata['namespace']}/{metadata['name']}"},
        {"target_label": "endpoint", "replacement": endpoint["port"]},
    ]
    return {
        "job_name": f"podMonitor/{metadata['namespace']}/{metadata['name']}/0",
        "metrics_path": endpoint["path"],
        "http_sd_configs": [{"url": f"http://127.0.0.1:{STATE_PORT}/targets", "refresh_interval": "5s"}],
        "relabel_configs": relabel,
    }


def configuration(monitors: Sequence[Object]) -> Object:
    """Prometheus' configuration."""
    every = f"{SCRAPE_SECONDS}s"
    kube_state = {
        "job_name": "kube-state-metrics",
        "honor_labels": True,
        "static_configs": [{"targets": [f"127.0.0.1:{STATE_PORT}"]}],
    }
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": ["/etc/prometheus-test/rules-*.json"],
        "scrape_configs": [kube_state, *map(scrape_config, monitors)],
    }


def pod_spec(image: str, *containers: Object, account: bool = False) -> Object:
    """A pod on the control plane's node, where no fault is injected, that meets the restricted standard."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": account,
        "enableServiceLinks": account,
        **({"serviceAccountName": NAME} if account else {}),
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {"image": image, "imagePullPolicy": "IfNotPresent", "securityContext": security, **each}
            for each in containers
        ],
    }


def prometheus(image: str, watched: str, monitors: Sequence[Object], rules: Sequence[Object]) -> list[Object]:
    """Everything in the namespace `monitoring`. watched: the namespace of the releases. rules: PrometheusRules."""
    files = {"prometheus.yaml": json.dumps(configuration(monitors))}
    files |= {f"rules-{rule['metadata']['name']}.json": json.dumps(rule["spec"]) for rule in rules}
    spec = pod_spec(
        image,
        {
            "name": NAME,
            "command": [
                "prometheus", "--config.file=/etc/prometheus-test/prometheus.yaml", "--storage.tsdb.path=/data",
                f"--web.listen-address=:{PORT}",
            ],
            "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 2},
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/prometheus-test"},
                {"name": "data", "mountPath": "/data"},
            ],
        },
        {
            "name": "state",
            "command": ["python", "-m", "observability.state", watched, str(STATE_PORT)],
        },
        account=True,
    )  # fmt: skip
    spec["volumes"] = [{"name": "config", "configMap": {"name": NAME}}, {"name": "data", "emptyDir": {}}]
    named = {"name": NAME, "namespace": NAMESPACE}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": NAME, "namespace": watched},
            "rules": [
                {"apiGroups": [_group(api)], "resources": [kind], "verbs": ["list"]} for kind, api in LISTED.items()
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME, "namespace": watched},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", **named}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": files},
        {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec},
    ]


def _group(api: str) -> str:
    return api.split("/")[1] if api.startswith("apis/") else ""
