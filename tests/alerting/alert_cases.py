"""What makes each alert fire, minute by minute: samples of the metrics it reads, and when it must fire.

Written for the release `web` in the namespace `shop`, with the values in VALUES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Series = dict[str, list[str]]

VALUES: dict[str, Any] = {
    "prometheusRule": {"enabled": True},
    "workers": {"celery": {"command": ["celery"], "autoscaling": {"mode": "hpa", "minReplicas": 1, "maxReplicas": 4}}},
    "cronJobs": {"letter": {"schedule": "0 * * * *", "command": ["send"]}},
    "migrations": {"enabled": True},
}
NAME = "web-flask-app"
POD = f"{NAME}-5d9c8b7f6-x2k4q"
WORKER = f"{NAME}-celery-7f6d5c4b9-zz9kp"


@dataclass(frozen=True)
class Case:
    """An alert, the samples of each minute, and how many of it fire at which minute."""

    alert: str
    series: Series
    firing: Mapping[int, int]
    why: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.alert}{'-' if self.why else ''}{self.why}".replace(" ", "-")


def series(metric: str, **labels: str) -> str:
    """A series of the namespace."""
    matchers = ",".join(f'{name}="{value}"' for name, value in {"namespace": "shop", **labels}.items())
    return f"{metric}{{{matchers}}}"


def gauge(*phases: tuple[int, float | str]) -> list[str]:
    """So many minutes of each value; `stale` is a series that has ended."""
    return [str(value) for minutes, value in phases for _ in range(minutes)]


def counter(*phases: tuple[int, float], step: int = 1) -> list[str]:
    """A counter that grows by so much a minute for so many minutes; a sample every `step` minutes."""
    total, samples = 0.0, []
    for minutes, rate in phases:
        for _ in range(0, minutes, step):
            samples.append(f"{total:.6g}" if total < 1e6 else f"{total:.1f}")
            total += rate * step
    return samples


def of_pod(metric: str, pod: str = POD, **labels: str) -> str:
    """A series of a pod of the release."""
    return series(metric, pod=pod, **labels)


def terminated(kind: str, reason: str) -> Series:
    """A container that ends once, after five minutes, and is restarted. kind: `init_` for an init container."""
    name = {"container": "proxy" if kind else "flask-app"}
    return {
        of_pod(f"kube_pod_{kind}container_status_restarts_total", **name): gauge((5, 0), (25, 1)),
        of_pod(f"kube_pod_{kind}container_status_last_terminated_reason", **name, reason=reason): gauge(
            (5, "_"), (25, 1)
        ),
    }


def autoscaler(name: str, current: list[str], *, least: int, most: int, desired: list[str] | None = None) -> Series:
    """What kube-state-metrics says of a HorizontalPodAutoscaler. desired: as `current` if not given."""
    minutes = len(current)
    prefix, labels = "kube_horizontalpodautoscaler", {"horizontalpodautoscaler": name}
    return {
        series(f"{prefix}_status_current_replicas", **labels): current,
        series(f"{prefix}_status_desired_replicas", **labels): desired or current,
        series(f"{prefix}_spec_min_replicas", **labels): gauge((minutes, least)),
        series(f"{prefix}_spec_max_replicas", **labels): gauge((minutes, most)),
    }


SERVER = [
    Case(
        "FlaskAppMetricsAbsent",
        # Gone from minute 10, and for 5 minutes at 15.
        {of_pod("up"): gauge((10, 1), (1, "stale"), (14, "_"), (10, 1))},
        {14: 0, 16: 1, 24: 1, 26: 0},
    ),
    Case(
        "FlaskAppMetricsAbsent",
        {of_pod("up"): gauge((30, 0))},
        {29: 0},
        why="not while a target is down",
    ),
    Case(
        "FlaskAppTargetDown",
        {of_pod("up"): gauge((5, 1), (10, 0), (5, 1)), of_pod("up", POD.replace("x2", "z4")): gauge((20, 1))},
        {9: 0, 11: 1, 14: 1, 16: 0},
    ),
    Case(
        "FlaskAppRequestsQueueing",
        # 6 of 100 requests a minute wait too long: above 5 %, at 5 minutes of them in the window.
        {
            of_pod("nodrop_queue_seconds_count"): counter((60, 100)),
            of_pod("nodrop_queue_seconds_bucket", le="0.25"): counter((20, 100), (20, 94), (20, 100)),
        },
        {22: 0, 28: 0, 31: 1, 40: 1, 42: 0},
    ),
    Case(
        "FlaskAppRequestsQueueing",
        {
            of_pod("nodrop_queue_seconds_count"): counter((60, 100)),
            of_pod("nodrop_queue_seconds_bucket", le="0.25"): counter((60, 95.1)),
        },
        {30: 0, 59: 0},
        why="not below 5 percent",
    ),
    Case(
        "FlaskAppQueueStuck",
        {of_pod("nodrop_oldest_wait_seconds"): gauge((5, 5), (5, 5.1), (5, 4))},
        {4: 0, 5: 0, 6: 1, 9: 1, 10: 0},
    ),
    Case(
        "FlaskAppThreadsBusy",
        {
            of_pod("nodrop_threads"): gauge((40, 10)),
            of_pod("nodrop_threads_busy"): gauge((5, 8), (20, 10), (15, 8)),
        },
        {11: 0, 14: 1, 25: 1, 28: 0},
    ),
    Case(
        "FlaskAppThreadsBusy",
        {
            of_pod("nodrop_threads"): gauge((40, 10)),
            of_pod("nodrop_threads_busy"): gauge((40, 9)),
        },
        {39: 0},
        why="not at 90 percent",
    ),
    Case(
        "FlaskAppThreadsBusy",
        {
            of_pod("nodrop_threads"): gauge((40, 10)),
            of_pod("nodrop_threads_busy"): gauge((5, 10), (1, 6), (5, 10), (1, 6), (28, 10)),
        },
        {14: 1},
        why="also if a scrape meets a pause",
    ),
    Case(
        "FlaskAppStreamsBusy",
        {
            of_pod("nodrop_streams_limit"): gauge((20, 400)),
            of_pod("nodrop_streams"): gauge((2, 360), (10, 361), (8, 360)),
        },
        {6: 0, 8: 1, 11: 1, 12: 0},
    ),
    Case(
        "FlaskAppStreamsBusy",
        {of_pod("nodrop_streams_limit"): gauge((20, 0)), of_pod("nodrop_streams"): gauge((20, 0))},
        {19: 0},
        why="not without streams",
    ),
    Case(
        "FlaskAppRequestOutlivesShutdown",
        {of_pod("nodrop_oldest_request_seconds"): gauge((5, 30), (1, 31), (24, 0))},
        {4: 0, 5: 1, 14: 1, 16: 0},
    ),
    Case(
        "FlaskAppRequestOutlivesShutdown",
        {of_pod("nodrop_oldest_request_seconds"): gauge((20, 60))},
        {19: 0},
        why="not within a longer time",
        values={"shutdown": {"gracefulTimeoutSeconds": 60}},
    ),
    Case(
        "FlaskAppWorkersRestarting",
        # One worker to begin with, and three more in three minutes.
        {of_pod("nodrop_worker_starts_total"): gauge((10, 1), (1, 2), (1, 3), (30, 4))},
        {10: 0, 11: 0, 13: 1, 18: 1, 22: 0},
    ),
    Case(
        "FlaskAppWorkersRestarting",
        {of_pod("nodrop_worker_starts_total"): gauge((3, 0), (20, 4))},
        {5: 0, 9: 0},
        why="not by the workers of the start",
        values={"config": {"WEB_CONCURRENCY": 4}, "tmpSizeLimit": "1Gi"},
    ),
]

PODS = [
    Case(
        "FlaskAppUnavailable",
        {
            series("kube_deployment_spec_replicas", deployment=NAME): gauge((20, 2)),
            series("kube_deployment_status_replicas_available", deployment=NAME): gauge((5, 1), (5, 0), (10, 1)),
        },
        {5: 0, 6: 1, 9: 1, 10: 0},
    ),
    Case(
        "FlaskAppUnavailable",
        {
            series("kube_deployment_spec_replicas", deployment=NAME): gauge((20, 0)),
            series("kube_deployment_status_replicas_available", deployment=NAME): gauge((20, 0)),
        },
        {19: 0},
        why="not when scaled to none",
    ),
    Case(
        "FlaskAppPodsNotReady",
        {
            series("kube_deployment_spec_replicas", deployment=f"{NAME}-celery"): gauge((30, 2)),
            series("kube_deployment_status_replicas_available", deployment=f"{NAME}-celery"): gauge(
                (5, 2), (15, 1), (10, 2)
            ),
        },
        {14: 0, 16: 1, 19: 1, 20: 0},
    ),
    Case(
        "FlaskAppRolloutStuck",
        {
            series("kube_deployment_status_condition", deployment=NAME, condition="Progressing", status="false"): gauge(
                (5, 0), (5, 1), (5, 0)
            )
        },
        {4: 0, 5: 1, 9: 1, 10: 0},
    ),
    Case(
        "FlaskAppCrashLooping",
        # Waiting every other minute, and running in between.
        {
            of_pod(
                "kube_pod_container_status_waiting_reason", WORKER, container="celery", reason="CrashLoopBackOff"
            ): gauge((5, 0), *[(1, 1), (1, 0)] * 6, (20, 0))
        },
        {9: 0, 11: 1, 17: 1, 20: 1, 21: 0},
    ),
    Case(
        "FlaskAppCrashLooping",
        {
            of_pod("kube_pod_init_container_status_waiting_reason", container="wait", reason="CrashLoopBackOff"): gauge(
                (15, 1)
            )
        },
        {4: 0, 6: 1},
        why="init containers too",
    ),
    Case("FlaskAppOutOfMemory", terminated("", "OOMKilled"), {4: 0, 6: 1, 13: 1, 16: 0}),
    Case("FlaskAppOutOfMemory", terminated("", "Error"), {6: 0, 13: 0}, why="not for another end"),
    Case(
        "FlaskAppOutOfMemory", terminated("init_", "OOMKilled"), {4: 0, 6: 1, 13: 1, 16: 0}, why="native sidecars too"
    ),
]

OTHERS = [
    Case(
        "FlaskAppAutoscalerAtMaximum",
        autoscaler(NAME, gauge((5, 9), (15, 10), (10, 9)), least=2, most=10),
        {14: 0, 16: 1, 19: 1, 20: 0},
    ),
    Case(
        "FlaskAppAutoscalerAtMaximum",
        autoscaler(f"{NAME}-celery", gauge((15, 4)), least=1, most=4),
        {9: 0, 11: 1},
        why="of a worker",
    ),
    Case(
        "FlaskAppAutoscalerAtMaximum",
        autoscaler(f"keda-hpa-{NAME}", gauge((15, 10)), least=2, most=10),
        {9: 0, 11: 1},
        why="of keda",
        values={"autoscaling": {"mode": "keda"}},
    ),
    Case(
        "FlaskAppAutoscalerAtMaximum",
        autoscaler(NAME, gauge((15, 2)), least=2, most=2),
        {14: 0},
        why="not where the number is fixed",
    ),
    Case(
        "FlaskAppAutoscalerInactive",
        {
            **autoscaler(NAME, gauge((30, 2)), least=2, most=10),
            series(
                "kube_horizontalpodautoscaler_status_condition",
                horizontalpodautoscaler=NAME,
                condition="ScalingActive",
                status="false",
            ): gauge((5, 0), (15, 1), (10, 0)),
        },
        {14: 0, 16: 1, 19: 1, 20: 0},
    ),
    Case(
        "FlaskAppAutoscalerInactive",
        {
            # One that has never been able to read its metrics desires none.
            **autoscaler(NAME, gauge((30, 1)), desired=gauge((30, 0)), least=1, most=10),
            series(
                "kube_horizontalpodautoscaler_status_condition",
                horizontalpodautoscaler=NAME,
                condition="ScalingActive",
                status="false",
            ): gauge((5, 0), (15, 1), (10, 0)),
        },
        {14: 0, 16: 1, 19: 1, 20: 0},
        why="also if it has never worked",
    ),
    Case(
        "FlaskAppAutoscalerInactive",
        {
            **autoscaler(NAME, gauge((30, 0)), least=0, most=10),
            series(
                "kube_horizontalpodautoscaler_status_condition",
                horizontalpodautoscaler=NAME,
                condition="ScalingActive",
                status="false",
            ): gauge((30, 1)),
        },
        {29: 0},
        why="not when scaled to none",
    ),
    Case(
        "FlaskAppDrainBlocked",
        {
            series("kube_poddisruptionbudget_status_expected_pods", poddisruptionbudget=NAME): gauge((30, 2)),
            series("kube_poddisruptionbudget_status_pod_disruptions_allowed", poddisruptionbudget=NAME): gauge(
                (5, 1), (15, 0), (10, 1)
            ),
        },
        {14: 0, 16: 1, 19: 1, 20: 0},
    ),
    Case(
        "FlaskAppDrainBlocked",
        {
            series("kube_poddisruptionbudget_status_expected_pods", poddisruptionbudget=NAME): gauge((30, 0)),
            series("kube_poddisruptionbudget_status_pod_disruptions_allowed", poddisruptionbudget=NAME): gauge((30, 0)),
        },
        {29: 0},
        why="not without pods",
    ),
    Case(
        "FlaskAppCronJobFailed",
        # Succeeded at 100 s, failed after a start at 300 s, succeeded again at 900 s.
        {
            series("kube_cronjob_created", cronjob=f"{NAME}-letter"): gauge((30, 0)),
            series("kube_cronjob_status_last_successful_time", cronjob=f"{NAME}-letter"): gauge((15, 100), (15, 900)),
            series("kube_job_status_start_time", job_name=f"{NAME}-letter-123"): gauge((5, "_"), (25, 300)),
            series("kube_job_failed", job_name=f"{NAME}-letter-123", condition="true"): gauge((6, "_"), (24, 1)),
        },
        {5: 0, 6: 1, 14: 1, 15: 0},
    ),
    Case(
        "FlaskAppCronJobFailed",
        {
            series("kube_cronjob_created", cronjob=f"{NAME}-letter"): gauge((30, 10)),
            series("kube_job_status_start_time", job_name=f"{NAME}-letter-123"): gauge((5, "_"), (25, 300)),
            series("kube_job_failed", job_name=f"{NAME}-letter-123", condition="true"): gauge((6, 0), (24, 1)),
        },
        {5: 0, 6: 1, 29: 1},
        why="the first time",
    ),
    Case(
        "FlaskAppCronJobNotRun",
        # Due at 300 s; run at 1200 s, and due again an hour later.
        {
            series("kube_cronjob_next_schedule_time", cronjob=f"{NAME}-letter"): gauge((20, 300), (20, 3900)),
        },
        {5: 0, 15: 0, 16: 1, 19: 1, 20: 0},
    ),
    Case(
        "FlaskAppMigrationFailed",
        {
            series("kube_job_failed", job_name=f"{NAME}-migrations", condition="true"): gauge(
                (5, 0), (2, 1), (1, "stale"), (30, "_")
            )
        },
        {4: 0, 5: 1, 20: 1, 23: 0},
    ),
]

CASES = [*SERVER, *PODS, *OTHERS]
