"""A Helm release of the chart: install, upgrade, roll back, uninstall, and what the cluster says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from harness.cluster import wait
from harness.cluster.shell import run

ROOT = Path(__file__).resolve().parents[3]
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
    context: str = ""
    """The kubeconfig's current context."""
    is_kind: bool = False
    """Whether it is a kind cluster, whose nodes are containers of this machine."""

    def kubectl_command(self, *arguments: str) -> list[str]:
        """The command line of kubectl for this cluster."""
        return [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *arguments]


@dataclass
class Release:
    """A release named `name` in `namespace`; every operation waits until the cluster has done it.

    The chart may be any that has one Deployment and one Service with pods behind it, and takes its image as
    `image.repository` and `image.tag`, as those do that `helm create` makes.
    """

    target: Target
    namespace: str
    name: str = "web"
    helm: Path | None = None
    """The helm to use; the target's when not given."""
    chart: Path = CHART
    values_files: Sequence[Path] = (TEST_VALUES,)
    sets: dict[str, str] = field(default_factory=dict)
    """Values that every install and upgrade sets."""
    image: str = ""
    """The image that was installed last; empty until then."""
    image_before: str = ""
    """The image of the revision before, which a rollback goes to; empty where there is none that worked."""
    values: dict[str, str] = field(default_factory=dict)
    """The values that the last upgrade set beside `sets`."""

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """What the release consists of, as the chart was rendered at first."""
        listed = yaml.safe_load_all(self._helm("get", "manifest", self.name))
        return [thing for thing in listed if thing]

    def _only(self, kind: str, matching: Callable[[dict[str, Any]], bool] = lambda _: True) -> str:
        names = [each["metadata"]["name"] for each in self.objects if each["kind"] == kind and matching(each)]
        if len(names) != 1:
            raise AssertionError(
                f"the chart {self.chart} makes {len(names)} objects of kind {kind} ({', '.join(names)}): "
                "the proof needs to know which one serves, so it takes charts that have one"
            )
        return str(names[0])

    @cached_property
    def fullname(self) -> str:
        """The name of the Deployment, of the server's where a chart has workers too."""

        def serves(deployment: dict[str, Any]) -> bool:
            labels = deployment["metadata"].get("labels") or {}
            return bool(labels.get("app.kubernetes.io/component", "server") == "server")

        return self._only("Deployment", serves)

    @cached_property
    def service(self) -> str:
        """The name of the Service."""
        return self._only("Service", lambda service: service["spec"].get("clusterIP") != "None")

    @cached_property
    def container(self) -> str:
        """The name of the container that serves: the first one."""
        return str(self.deployment().spec.template.spec.containers[0].name)

    def service_object(self) -> Any:
        """The Service as it is now."""
        return self.target.core.read_namespaced_service(self.service, self.namespace)

    @cached_property
    def url(self) -> str:
        """The Service, as other pods in the cluster reach it."""
        return f"http://{self.service}.{self.namespace}:{self.service_object().spec.ports[0].port}"

    def _helm(self, *arguments: str, timeout: float = 300) -> str:
        return run(self.helm_command(*arguments), timeout=timeout).stdout

    def helm_command(self, *arguments: str) -> list[str]:
        """The command line of the release's helm, in its namespace."""
        helm = self.helm or self.target.helm
        return [str(helm), "--kubeconfig", str(self.target.kubeconfig), "--namespace", self.namespace, *arguments]

    def upgrade(
        self, image: str, sets: Mapping[str, str] | None = None, *, timeout: float = 240, options: Sequence[str] = ()
    ) -> None:
        """Install or upgrade to `image` (name:tag) and wait until every pod runs it and the minimum is reached.

        timeout: seconds that helm waits. options: further ones of `helm upgrade`.
        """
        before = self.image
        # Of one that fails nothing is known.
        self.image = self.image_before = ""
        run(self.upgrade_command(image, sets, timeout=timeout, options=options), timeout=timeout + 120)
        self.image, self.image_before, self.values = image, before, dict(sets or {})
        self.wait_rolled_out()

    def upgrade_command(
        self, image: str, sets: Mapping[str, str] | None = None, *, timeout: float = 240, options: Sequence[str] = ()
    ) -> list[str]:
        """The command line of `upgrade`, for whoever does something else meanwhile."""
        repository, _, tag = image.rpartition(":")
        values = {"image.repository": repository, "image.tag": tag, **self.sets, **(sets or {})}
        return self.helm_command(
            "upgrade", "--install", self.name, str(self.chart),
            *(argument for file in self.values_files for argument in ("--values", str(file))),
            "--wait", "--timeout", f"{timeout:.0f}s", *options,
            *(argument for name, value in values.items() for argument in ("--set", f"{name}={value}")),
        )  # fmt: skip

    def ensure(self, image: str, values: Mapping[str, str]) -> None:
        """Have the release run with these values: with the image that it runs already, with `image` where it has none.

        Nothing is done where it does already. After an upgrade that failed, it is `image`.
        """
        if not self.image or self.values != dict(values):
            self.upgrade(self.image or image, values)
        self.wait_rolled_out()
        self.wait_no_pod_stopping()

    def rollback(self) -> None:
        """Roll back to the revision before and wait, as for an upgrade."""
        self._helm("rollback", self.name, "--wait", "--timeout", "4m")
        self.wait_rolled_out()
        self.image, self.image_before = self.image_before, self.image

    def test(self) -> str:
        """Run `helm test` and return what it printed."""
        return self._helm("test", self.name, "--logs")

    def uninstall(self) -> None:
        """Uninstall, if it is there, and wait."""
        self._helm("uninstall", self.name, "--ignore-not-found", "--wait", "--timeout", "4m")

    def revision_status(self) -> str:
        """The status of the newest revision, such as `deployed`."""
        return str(json.loads(self._helm("status", self.name, "--output", "json"))["info"]["status"])

    def deployment(self) -> Any:
        """The Deployment as it is now."""
        return self.target.apps.read_namespaced_deployment(self.fullname, self.namespace)

    def autoscaler(self) -> Any:
        """The HorizontalPodAutoscaler as it is now."""
        return self.target.autoscaling.read_namespaced_horizontal_pod_autoscaler(self.fullname, self.namespace)

    @property
    def minimum(self) -> int:
        """The fewest replicas that the autoscaler, where there is one, lets it have."""
        listed = self.target.autoscaling.list_namespaced_horizontal_pod_autoscaler(self.namespace).items
        minima = [each.spec.min_replicas for each in listed if each.spec.scale_target_ref.name == self.fullname]
        return int(minima[0]) if minima else 0

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
        deployment, minimum = self.deployment(), self.minimum
        status, desired = deployment.status, deployment.spec.replicas
        return bool(
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
