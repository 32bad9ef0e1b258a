"""A Helm release of the chart: install, upgrade, roll back, uninstall, and what the cluster says of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import wait
from harness.shell import run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "flask-app"
TEST_VALUES = ROOT / "k8s-tests" / "values.yaml"


@dataclass(frozen=True)
class Target:
    """The cluster: its kubeconfig, the tools, and the clients of its API."""

    kubeconfig: Path
    helm: Path
    helm3: Path
    kubectl: Path
    apps: Any
    autoscaling: Any
    core: Any

    def kubectl_command(self, *arguments: str) -> list[str]:
        """The command line of kubectl for this cluster."""
        return [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *arguments]


@dataclass
class Release:
    """A release named `name` in `namespace`; every operation waits until the cluster has done it."""

    target: Target
    namespace: str
    name: str = "web"
    helm: Path | None = None
    """The helm to use; the target's when not given."""
    chart: Path = CHART
    sets: dict[str, str] = field(default_factory=dict)
    """Values that every install and upgrade sets."""

    @property
    def fullname(self) -> str:
        """The name of the Deployment, the Service and the rest."""
        return f"{self.name}-flask-app"

    @property
    def url(self) -> str:
        """The Service, as other pods in the cluster reach it."""
        return f"http://{self.fullname}.{self.namespace}:5000"

    def _helm(self, *arguments: str, timeout: float = 300) -> str:
        helm = self.helm or self.target.helm
        command = [str(helm), "--kubeconfig", str(self.target.kubeconfig), "--namespace", self.namespace, *arguments]
        return run(command, timeout=timeout).stdout

    def upgrade(self, image: str, sets: dict[str, str] | None = None) -> None:
        """Install or upgrade to `image` (name:tag) and wait until every pod runs it and the minimum is reached."""
        repository, _, tag = image.rpartition(":")
        values = {"image.repository": repository, "image.tag": tag, **self.sets, **(sets or {})}
        self._helm(
            "upgrade", "--install", self.name, str(self.chart), "--values", str(TEST_VALUES),
            "--wait", "--timeout", "4m",
            *(argument for name, value in values.items() for argument in ("--set", f"{name}={value}")),
        )  # fmt: skip
        self.wait_rolled_out()

    def rollback(self) -> None:
        """Roll back to the revision before and wait, as for an upgrade."""
        self._helm("rollback", self.name, "--wait", "--timeout", "4m")
        self.wait_rolled_out()

    def test(self) -> str:
        """Run `helm test` and return what it printed."""
        return self._helm("test", self.name, "--logs")

    def uninstall(self) -> None:
        """Uninstall and wait."""
        self._helm("uninstall", self.name, "--wait", "--timeout", "4m")

    def revision_status(self) -> str:
        """The status of the newest revision, such as `deployed`."""
        return str(json.loads(self._helm("status", self.name, "--output", "json"))["info"]["status"])

    def deployment(self) -> Any:
        """The Deployment as it is now."""
        return self.target.apps.read_namespaced_deployment(self.fullname, self.namespace)

    def autoscaler(self) -> Any:
        """The HorizontalPodAutoscaler as it is now."""
        return self.target.autoscaling.read_namespaced_horizontal_pod_autoscaler(self.fullname, self.namespace)

    def pods(self) -> list[Any]:
        """The server pods there are, those on their way out included."""
        labels = self.deployment().spec.selector.match_labels
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return list(self.target.core.list_namespaced_pod(self.namespace, label_selector=selector).items)

    def nodes_of(self, pods: Iterable[str]) -> set[str]:
        """The nodes of the pods of these names."""
        by_name = {pod.metadata.name: pod.spec.node_name for pod in self.pods()}
        return {by_name[pod] for pod in pods}

    def is_rolled_out(self) -> bool:
        """Whether every pod is of the newest template and available, and there are as many as the minimum."""
        deployment, minimum = self.deployment(), self.autoscaler().spec.min_replicas
        status, desired = deployment.status, deployment.spec.replicas
        return (
            status.observed_generation == deployment.metadata.generation
            and desired >= minimum
            and (status.updated_replicas, status.ready_replicas, status.available_replicas, status.replicas)
            == (desired,) * 4
        )

    def wait_no_pod_stopping(self, timeout: float = 120) -> None:
        """Wait until no server pod is on its way out: until then requests may still be lost with one."""
        wait.until(
            f"no pod of {self.fullname} is stopping",
            lambda: not any(pod.metadata.deletion_timestamp for pod in self.pods()),
            timeout=timeout,
        )

    def wait_rolled_out(self, timeout: float = 180) -> None:
        """Wait for is_rolled_out(): helm's own wait ends before the autoscaler has reached its minimum."""
        wait.until(f"{self.fullname} is rolled out", self.is_rolled_out, timeout=timeout)
