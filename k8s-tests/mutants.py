"""Charts and images that are broken on purpose, each with the scenario that must catch it.

They are the test of the proof itself: a check that none of them fails proves nothing by passing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.measuring.traffic import Traffic

LOST = r"requests failed \(budget"
DEPLOYMENT, CONTAINER = "templates/server/deployment.yaml", "templates/server/_container.tpl"
BreakChart = Callable[[Path], None]


@dataclass(frozen=True)
class Mutant:
    """One mutant.

    caught_by: the scenario that must fail. caught: a regular expression of the message it must fail with, so that one
    that breaks down for another reason does not count. break_chart: changes a copy of the chart. dockerfile: lines that
    are added to the first and the second image. values: for the chart. traffic: in place of the scenario's. standard:
    whether it is one of those that run without --complete.
    """

    name: str
    caught_by: str
    caught: str = LOST
    break_chart: BreakChart | None = None
    dockerfile: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    traffic: tuple[Traffic, ...] | None = None
    standard: bool = False


def edit(file: str, text: str, replacement: str) -> BreakChart:
    """Replaces `text`, which must be there once, in a file of the chart."""

    def change(chart: Path) -> None:
        template = chart / file
        source = template.read_text()
        assert source.count(text) == 1, f"the mutation no longer matches {file}: adapt it"
        template.write_text(source.replace(text, replacement))

    return change


def without(file: str, *starts: str) -> BreakChart:
    """Leaves out the blocks of YAML that begin with these lines, each with the lines that are indented deeper."""

    def change(chart: Path) -> None:
        template = chart / file
        source = template.read_text()
        for start in starts:
            block = re.compile(rf"^( *){re.escape(start)}\n(?:\1 +.*\n)+", re.MULTILINE)
            source, found = block.subn("", source)
            assert found == 1, f"the mutation no longer matches {file}: adapt it"
        template.write_text(source)

    return change


def all_of(*changes: BreakChart) -> BreakChart:
    """One after the other."""

    def change(chart: Path) -> None:
        for each in changes:
            each(chart)

    return change


# How much one pod's end costs depends on how fast the news spreads. Four that go at once, under a high rate, leave
# nothing to luck.
MANY_AT_ONCE = {"autoscaling.minReplicas": "4", "rollout.maxSurge": "100%"}
FAST = (Traffic("new", 250),)
# A terminating pod is given 2 seconds more than its grace period at most, so these are cut off half-way.
LONG = (Traffic("slow", 1, path="/sleep?ms=8000", timeout=20, request_seconds=8),)


def slow_to_load(*versions: str) -> str:
    """Lines of a Dockerfile that have the application of these images take 14 seconds to load."""
    condition = f'os.environ["APP_VERSION"] in {list(versions)}'.replace("'", '"')
    return f"""\
USER root
RUN printf '%s\\n' 'import os, time' 'time.sleep(14 if {condition} else 0)' \\
    'from app import create_app' 'app = create_app()' > /srv/slow.py && chmod a+r /srv/slow.py
USER 10001:10001
ENV WSGI_APP=slow:app
"""


MUTANTS = (
    Mutant(
        name="no preStop delay",
        caught_by="rolling update",
        break_chart=without(CONTAINER, "lifecycle:"),
        # A pod terminates as soon as another is ready: kube-proxy has just written its rules, and waits a second
        # (minSyncPeriod) before it writes them again. After a pause it writes them at once, which can be before the
        # pod's server has closed, and then no request is lost.
        values=MANY_AT_ONCE | {"rollout.minReadySeconds": "0"},
        traffic=FAST,
        standard=True,
    ),
    Mutant(
        name="no preStop delay, behind an edge",
        caught_by="rolling update, through the ingress",
        break_chart=without(CONTAINER, "lifecycle:"),
    ),
    Mutant(
        name="no readiness",
        caught_by="rolling update",
        values={"probes.startup.enabled": "false", "probes.readiness.enabled": "false"},
        # What is rolled out takes longer to load than its clients wait: a server of which nobody knows that it is not
        # ready. One that is there within a second would lose nothing, since Kubernetes takes as long to send anybody.
        dockerfile=slow_to_load("test-2"),
    ),
    Mutant(
        name="100 % unavailable",
        caught_by="rolling update",
        caught=rf"{LOST}|ready replicas at a time",
        break_chart=edit(DEPLOYMENT, "maxUnavailable: 0", 'maxUnavailable: "100%"'),
        standard=True,
    ),
    Mutant(
        name="liveness on the application's port",
        caught_by="overload",
        caught=rf"{LOST}|was restarted",
        values={
            "probes.liveness.httpGet.path": "/",
            "probes.liveness.httpGet.port": "http",
            "probes.liveness.periodSeconds": "5",
            "probes.liveness.timeoutSeconds": "2",
        },
    ),
    Mutant(
        name="no disruption budget",
        caught_by="node with every pod drained",
        caught=rf"{LOST}|ready replicas at a time",
        values={"podDisruptionBudget.enabled": "false"},
    ),
    Mutant(
        name="grace period shorter than a request",
        caught_by="rolling update",
        break_chart=edit(DEPLOYMENT, '(include "flask-app.terminationGracePeriodSeconds" .)', "2"),
        # Kubernetes accepts only a delay that is shorter than the grace period.
        values={"shutdown.preStopSeconds": "1"},
        caught=rf"(?s){LOST}.*error='closed'",
        traffic=LONG,
    ),
    Mutant(
        name="SIGTERM ignored",
        caught_by="rolling update",
        caught=r"not within .* is stopping",
        dockerfile='ENTRYPOINT ["python", "-c", "import signal, subprocess, sys; '
        'signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.run(sys.argv[1:])"]\n'
        'CMD ["gunicorn", "--config", "python:nodrop.gunicorn"]',
    ),
    Mutant(
        name="shell-form command",
        caught_by="rolling update",
        caught=r"not within .* is stopping",
        dockerfile="CMD gunicorn --config python:nodrop.gunicorn; echo it has ended",
    ),
    Mutant(
        name="selector that catches the test's pod",
        caught_by="helm test",
        # The test's own request may be what is led to the test's pod.
        caught=rf"{LOST}|helm test failed",
        break_chart=all_of(
            edit("templates/tests/request.yaml", '"component" "test" "workload"', '"component" "server" "workload"'),
            edit("templates/tests/request.yaml", '"component" "test" "labels"', '"component" "server" "labels"'),
        ),
        values={"service.targetPort": "5000"},
        traffic=FAST,
    ),
    Mutant(
        name="autoscaler without a CPU request",
        caught_by="load step",
        caught=r"the autoscaler can't have metrics .*missing request for cpu",
        break_chart=edit(
            "templates/_container.tpl",
            "{{- with .workload.resources }}",
            '{{- with omit .workload.resources "requests" }}',
        ),
    ),
    Mutant(
        name="one replica",
        caught_by="pods deleted",
        caught=rf"{LOST}|ready replicas at a time",
        values={"autoscaling.minReplicas": "1"},
        # Longer than a pod goes on serving once it is deleted: a quick one would be replaced by then.
        dockerfile=slow_to_load("test-1", "test-2"),
    ),
    Mutant(
        name="never restarted when it is stuck",
        caught_by="server wedged, noticed soon",
        caught=r"not within .* not ready",
        values={"config.STALL_TIMEOUT": "0"},
    ),
    Mutant(
        name="available as soon as it is ready",
        caught_by="image that crashes after it was ready",
        caught=rf"{LOST}|ready replicas at a time|pods that worked were taken away|was taken for one that works",
        values={"rollout.minReadySeconds": "0"},
        standard=True,
    ),
)
