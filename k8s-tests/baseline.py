"""The chart that `helm create` writes, with the same image: what most people begin with, to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.cluster.shell import run

# Everything else is as `helm create` writes it. Its chart has no value for the container's port but the Service's.
VALUES = """\
replicaCount: 2
service:
  port: 5000
"""


@dataclass(frozen=True)
class Baseline:
    """A scenario that runs against that chart too. It is not judged; `loses` says whether it must lose requests.

    A terminating pod refuses at once, and is sent requests until kube-proxy has written its rules, which it
    does at most once a second. In a rolling update the pod that has just become ready has used up that second; in a
    drain of every pod there is no other. Pods deleted one at a time have lost some in all runs but one, beside
    which the machine did other work. What a killed process had in flight is random.
    """

    name: str
    loses: bool = False
    standard: bool = False


BASELINES = (
    Baseline("rolling update", loses=True, standard=True),
    Baseline("pods deleted", loses=True),
    Baseline("node with every pod drained", loses=True),
    Baseline("pod force-deleted"),
    Baseline("master killed"),
)


def create(helm: Path, folder: Path) -> tuple[Path, Path]:
    """Have `helm create` write the chart to `folder`; returns the chart and a values file for it."""
    run([str(helm), "create", str(folder / "baseline")])
    values = folder / "values.yaml"
    values.write_text(VALUES)
    return folder / "baseline", values
