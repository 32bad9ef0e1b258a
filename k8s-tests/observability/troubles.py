"""The faults that make alerts fire, each in a release of its own, so that all can last at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]

# Beside what the example serves: answers that fail, streams without an end, and a worker that ends at once.
APPLICATION = """\
import os, time
from flask import Response
from app import create_app

app = create_app()

@app.get("/fail")
def fail():
    return "failed on purpose", 500

@app.get("/events")
def events():
    def ticks():
        while True:
            yield "data: tick\\n\\n"
            time.sleep(1)
    return Response(ticks(), content_type="text/event-stream")

@app.get("/exit")
def exit():
    os._exit(1)
"""
FILE = "/etc/troubled/troubled.py"

# Takes more memory than it may have, once: when a scrape has seen that it was never restarted.
HOG = """\
import pathlib, time
mark = pathlib.Path("/tmp/hog")
if not mark.exists():
    time.sleep(45)
    mark.touch()
    pages = [bytearray(1 << 20) for _ in range(200)]
time.sleep(3600)
"""

COMMON: Values = {
    "image": {"pullPolicy": "IfNotPresent"},
    "configFiles": {FILE: APPLICATION},
    "config": {"LOAD_ENDPOINTS": "true", "WSGI_APP": "troubled:app", "PYTHONPATH": "/etc/troubled:/srv"},
    "autoscaling": {"mode": "fixed"},
    "replicaCount": 1,
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "resources": {"requests": {"cpu": "50m"}},
}


@dataclass(frozen=True)
class Alert:
    """An alert that must fire in the trouble, and resolve after it.

    after: seconds for which its rule waits at least. long: the longer of its windows, if it is one of several alerts of
    one name. within: seconds from the faults to the alert. resolved_within: seconds from their end to its end; if the
    fault is a single event, from that event (once).
    """

    name: str
    within: float
    resolved_within: float
    after: float = 0.0
    long: str = ""
    once: bool = False


@dataclass(frozen=True)
class Trouble:
    """A release, the faults that are injected into it, and the alerts that must fire.

    always: requests that are sent from beginning to end; meanwhile: while the faults last. Both as in clients.py, with
    paths for URLs. values: those of the release; healed: those that take the faults away. act and undo: the names of
    faults that values can't describe; see troubled.py.
    """

    name: str
    alerts: Sequence[Alert]
    values: Values = field(default_factory=dict)
    healed: Values | None = None
    always: Sequence[str] = ()
    meanwhile: Sequence[str] = ()
    act: str = ""
    undo: str = ""


def merged(*parts: Mapping[str, Any]) -> Values:
    """The values of all parts; the later take precedence, key by key."""
    result: Values = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if both else value
    return result


# Scrapes, evaluations and the cluster's own pace, on a machine that does other things as well.
SLACK = 120
MINUTE = 60


def burning(name: str) -> Alert:
    """A budget that burns so fast that the shortest pair of windows tells."""
    return Alert(name, long="1h", after=2 * MINUTE, within=2 * MINUTE + SLACK, resolved_within=5 * MINUTE + SLACK)


TROUBLES = [
    Trouble(
        "errors",
        [
            # A fifth of the requests fail: in an hour of which there is only this, that is known at once.
            burning("FlaskAppErrorBudgetBurn"),
            Alert("FlaskAppStreamsBusy", after=5 * MINUTE, within=5 * MINUTE + SLACK, resolved_within=SLACK),
        ],
        # Streams leave their threads only when those are needed. Their clients' network goes with its pod, so they
        # end by WRITE_TIMEOUT alone.
        {"config": {"WEB_THREADS": 1, "MAX_STREAMS": 2, "WRITE_TIMEOUT": 10}},
        always=["4=/"],
        meanwhile=["1=/fail", "hold=/events", "hold=/events"],
    ),
    Trouble(
        "slow",
        [
            burning("FlaskAppLatencyBudgetBurn"),
            Alert("FlaskAppRequestOutlivesShutdown", within=SLACK, resolved_within=10 * MINUTE + SLACK),
        ],
        {"shutdown": {"gracefulTimeoutSeconds": 5}},
        always=["2=/"],
        # Not in step with the scrapes, or each would meet the long request at the same age.
        meanwhile=["1=/sleep?ms=700", "0.13=/sleep?ms=9000"],
    ),
    Trouble(
        "queue",
        [
            Alert("FlaskAppQueueStuck", after=MINUTE, within=3 * MINUTE + SLACK, resolved_within=SLACK),
            Alert(
                "FlaskAppRequestsQueueing",
                after=5 * MINUTE,
                within=6 * MINUTE + SLACK,
                resolved_within=5 * MINUTE + SLACK,
            ),
            Alert("FlaskAppThreadsBusy", after=5 * MINUTE, within=10 * MINUTE + SLACK, resolved_within=SLACK),
        ],
        {"config": {"WEB_THREADS": 1}},
        meanwhile=["1.5=/sleep?ms=900"],
    ),
    Trouble(
        "exits",
        [Alert("FlaskAppWorkersRestarting", within=2 * MINUTE + SLACK, resolved_within=12 * MINUTE + SLACK, once=True)],
        act="exit workers",
    ),
    Trouble(
        "crash",
        [
            Alert("FlaskAppUnavailable", after=MINUTE, within=MINUTE + SLACK, resolved_within=2 * SLACK),
            Alert("FlaskAppRolloutStuck", after=MINUTE, within=MINUTE + SLACK, resolved_within=2 * SLACK),
            Alert(
                "FlaskAppCrashLooping", after=5 * MINUTE, within=7 * MINUTE + SLACK, resolved_within=5 * MINUTE + SLACK
            ),
            Alert("FlaskAppPodsNotReady", after=10 * MINUTE, within=10 * MINUTE + SLACK, resolved_within=2 * SLACK),
            Alert("FlaskAppDrainBlocked", after=10 * MINUTE, within=10 * MINUTE + SLACK, resolved_within=2 * SLACK),
        ],
        {
            "config": {"WSGI_APP": "app.gone:app"},
            "replicaCount": 2,
            "rollout": {"progressDeadlineSeconds": 60},
        },
        healed={"config": {"WSGI_APP": "troubled:app"}},
    ),
    Trouble(
        "deaf",
        [Alert("FlaskAppTargetDown", after=5 * MINUTE, within=5 * MINUTE + SLACK, resolved_within=SLACK)],
        # Else it would be restarted, which is the cluster's own remedy.
        {"probes": {"liveness": {"enabled": False}}},
        act="stop management",
        undo="continue management",
    ),
    Trouble(
        "gone",
        [Alert("FlaskAppMetricsAbsent", after=5 * MINUTE, within=5 * MINUTE + SLACK, resolved_within=2 * SLACK)],
        act="uninstall",
        undo="install",
    ),
    Trouble(
        "hog",
        [Alert("FlaskAppOutOfMemory", within=2 * MINUTE + SLACK, resolved_within=12 * MINUTE + SLACK, once=True)],
        {
            "extraContainers": [
                {
                    "name": "hog",
                    "image": "IMAGE",
                    "command": ["python", "-c", HOG],
                    # Where its mark outlives the container.
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    "resources": {"limits": {"memory": "48Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ]
        },
    ),
    Trouble(
        "scaled",
        [
            Alert(
                "FlaskAppAutoscalerAtMaximum",
                after=10 * MINUTE,
                within=12 * MINUTE + SLACK,
                resolved_within=2 * MINUTE + SLACK,
            )
        ],
        {
            "autoscaling": {
                "mode": "hpa",
                "minReplicas": 1,
                "maxReplicas": 2,
                "targetCPUUtilizationPercentage": 50,
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 15,
                        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 15}],
                    }
                },
            },
            "resources": {"requests": {"cpu": "100m"}},
        },
        meanwhile=["5=/work?cpu_ms=40"],
    ),
    Trouble(
        "blind",
        [
            Alert(
                "FlaskAppAutoscalerInactive", after=10 * MINUTE, within=11 * MINUTE + SLACK, resolved_within=2 * SLACK
            ),
            Alert("FlaskAppCronJobFailed", within=2 * MINUTE + SLACK, resolved_within=2 * MINUTE + SLACK),
        ],
        {
            "autoscaling": {
                "mode": "hpa",
                "targetCPUUtilizationPercentage": 0,
                "minReplicas": 1,
                "metrics": [
                    {
                        "type": "External",
                        "external": {"metric": {"name": "nowhere"}, "target": {"type": "Value", "value": "1"}},
                    }
                ],
            },
            "cronJobs": {"letter": {"schedule": "* * * * *", "command": ["python", "-c", "raise SystemExit(1)"]}},
        },
        healed={
            "autoscaling": {"targetCPUUtilizationPercentage": 70, "metrics": []},
            "cronJobs": {"letter": {"command": ["python", "-c", ""]}},
        },
    ),
    Trouble(
        "migrated",
        [Alert("FlaskAppMigrationFailed", within=MINUTE + SLACK, resolved_within=16 * MINUTE + SLACK, once=True)],
        {
            "migrations": {
                "enabled": True,
                "command": ["python", "-c", "import time; time.sleep(15); raise SystemExit(1)"],
            }
        },
        act="install and kill Helm",
    ),
]
