"""What the chart's alerts need of kube-state-metrics, with its names and labels: the proof needs no further image.

tests/alerting/kube_state_metrics.py cites where they come from. Standard library only: it runs in the image of
Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

Object = dict[str, Any]
Sample = tuple[str, dict[str, str], float]


def seconds(time: str) -> float:
    """A time of the API as seconds since the Unix epoch."""
    return datetime.fromisoformat(time).timestamp()


def statuses(condition: Object) -> Iterator[tuple[str, float]]:
    """Each status that a condition could have, and 1 for the one that it has."""
    for status in ("true", "false", "unknown"):
        yield status, float(condition["status"].lower() == status)


def of_pod(pod: Object) -> Iterator[Sample]:
    """What is told of a pod."""
    own = {"pod": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    for container in pod["spec"]["containers"]:
        for resource, amount in container.get("resources", {}).get("limits", {}).items():
            if resource == "memory" and amount.endswith("Mi"):
                labels = {**own, "container": container["name"], "resource": "memory", "unit": "byte"}
                labels["node"] = pod["spec"].get("nodeName", "")
                yield "kube_pod_container_resource_limits", labels, int(amount[:-2]) * 2**20
    for kind, field in (("", "containerStatuses"), ("init_", "initContainerStatuses")):
        for status in pod["status"].get(field, []):
            labels = {**own, "container": status["name"]}
            yield f"kube_pod_{kind}container_status_restarts_total", labels, status["restartCount"]
            waiting = status.get("state", {}).get("waiting", {}).get("reason")
            if waiting:
                yield f"kube_pod_{kind}container_status_waiting_reason", {**labels, "reason": waiting}, 1
            ended = status.get("lastState", {}).get("terminated", {}).get("reason")
            if ended:
                yield f"kube_pod_{kind}container_status_last_terminated_reason", {**labels, "reason": ended}, 1


def of_deployment(deployment: Object) -> Iterator[Sample]:
    """What is told of a Deployment."""
    own, status = {"deployment": deployment["metadata"]["name"]}, deployment["status"]
    yield "kube_deployment_spec_replicas", own, deployment["spec"]["replicas"]
    yield "kube_deployment_status_replicas_available", own, status.get("availableReplicas", 0)
    for condition in status.get("conditions", []):
        for value, is_it in statuses(condition):
            labels = {"condition": condition["type"], "status": value, "reason": condition.get("reason", "")}
            yield "kube_deployment_status_condition", {**own, **labels}, is_it


def of_autoscaler(autoscaler: Object) -> Iterator[Sample]:
    """What is told of a HorizontalPodAutoscaler."""
    own, prefix = {"horizontalpodautoscaler": autoscaler["metadata"]["name"]}, "kube_horizontalpodautoscaler"
    yield f"{prefix}_spec_min_replicas", own, autoscaler["spec"].get("minReplicas", 1)
    yield f"{prefix}_spec_max_replicas", own, autoscaler["spec"]["maxReplicas"]
    status = autoscaler.get("status", {})
    yield f"{prefix}_status_current_replicas", own, status.get("currentReplicas", 0)
    yield f"{prefix}_status_desired_replicas", own, status.get("desiredReplicas", 0)
    for condition in status.get("conditions", []):
        for value, is_it in statuses(condition):
            yield f"{prefix}_status_condition", {**own, "condition": condition["type"], "status": value}, is_it


def of_budget(budget: Object) -> Iterator[Sample]:
    """What is told of a PodDisruptionBudget."""
    own, status = {"poddisruptionbudget": budget["metadata"]["name"]}, budget.get("status", {})
    yield "kube_poddisruptionbudget_status_expected_pods", own, status.get("expectedPods", 0)
    yield "kube_poddisruptionbudget_status_pod_disruptions_allowed", own, status.get("disruptionsAllowed", 0)


def of_cron_job(cron_job: Object) -> Iterator[Sample]:
    """What is told of a CronJob; not when it is due next, which takes reading its schedule."""
    own = {"cronjob": cron_job["metadata"]["name"]}
    yield "kube_cronjob_created", own, seconds(cron_job["metadata"]["creationTimestamp"])
    succeeded = cron_job.get("status", {}).get("lastSuccessfulTime")
    if succeeded:
        yield "kube_cronjob_status_last_successful_time", own, seconds(succeeded)


def of_job(job: Object) -> Iterator[Sample]:
    """What is told of a Job."""
    own, status = {"job_name": job["metadata"]["name"]}, job.get("status", {})
    if "startTime" in status:
        yield "kube_job_status_start_time", own, seconds(status["startTime"])
    for condition in status.get("conditions", []):
        if condition["type"] == "Failed":
            for value, is_it in statuses(condition):
                yield "kube_job_failed", {**own, "condition": value}, is_it


TELLS = {
    "pods": of_pod,
    "deployments": of_deployment,
    "horizontalpodautoscalers": of_autoscaler,
    "poddisruptionbudgets": of_budget,
    "cronjobs": of_cron_job,
    "jobs": of_job,
}


def exposition(objects: dict[str, list[Object]]) -> str:
    """The metrics of the objects, given by kind, in Prometheus' text format."""
    lines = []
    for kind, listed in objects.items():
        for each in listed:
            for metric, labels, value in TELLS[kind](each):
                named = {"namespace": each["metadata"]["namespace"], **labels}
                text = ",".join(f"{name}={json.dumps(label)}" for name, label in named.items())
                lines.append(f"{metric}{{{text}}} {value}")
    return "\n".join(lines) + "\n"
