"""A release with workers, whose pods are seen to terminate."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from background.ledger import Ledger
from background.queues import URL, Queue
from harness.cluster import wait
from harness.cluster.release import Release
from harness.cluster.shell import run

REPLICAS = 2
# Longer than any task of the announced faults takes.
GRACE_SECONDS = 30


def values(queue: Queue, config: Mapping[str, str], grace: int) -> dict[str, Any]:
    """The values of a release with workers for this queue."""
    worker = {
        "command": ["nodrop", "run", "--", *queue.command],
        "replicaCount": REPLICAS,
        "terminationGracePeriodSeconds": grace,
        "config": {"QUEUE": queue.name, "QUEUE_URL": URL, **queue.config, **config},
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
    }
    # One server pod: it is not what is looked at.
    return {"autoscaling": {"mode": "fixed"}, "replicaCount": 1, "workers": {queue.name: worker}}


@dataclass
class Working:
    """The release, the queue its workers take tasks from, and the ledger they write into."""

    release: Release
    queue: Queue
    ledger: Ledger
    images: tuple[str, str]

    @property
    def deployment(self) -> str:
        """The name of the workers' Deployment."""
        return f"{self.release.fullname}-{self.queue.name}"

    def pods(self) -> list[Any]:
        """The workers' pods, those that are terminating included."""
        labels = {"instance": self.release.name, "component": f"worker-{self.queue.name}"}
        selector = ",".join(f"app.kubernetes.io/{name}={value}" for name, value in labels.items())
        core = self.release.target.core
        return list(core.list_namespaced_pod(self.release.namespace, label_selector=selector).items)

    def names(self) -> set[str]:
        """The names of those that are not terminating."""
        return {pod.metadata.name for pod in self.pods() if not pod.metadata.deletion_timestamp}

    def node_of(self, name: str) -> str:
        """The node of a pod."""
        return next(str(pod.spec.node_name) for pod in self.pods() if pod.metadata.name == name)

    def wait_at_full_strength(self) -> None:
        """Wait until every pod is of the newest template and ready, and none is terminating any more."""

        def full() -> bool:
            found = self.release.target.apps.read_namespaced_deployment(self.deployment, self.release.namespace)
            status = (found.status.updated_replicas, found.status.ready_replicas, found.status.replicas)
            observed = found.status.observed_generation == found.metadata.generation
            return observed and status == (REPLICAS,) * 3 and len(self.pods()) == len(self.names()) == REPLICAS

        wait.until(f"{self.deployment} is at full strength", full, timeout=120)

    def delete(self, name: str) -> None:
        """kubectl delete pod, without waiting for its end."""
        command = ["--namespace", self.release.namespace, "delete", "pod", name, "--wait=false"]
        run(self.release.target.kubectl_command(*command))


class Terminations:
    """When each pod of the workers was told to terminate, seen while the `with` block runs."""

    def __init__(self, working: Working) -> None:
        self._working = working
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.told: dict[str, float] = {}
        """When, in seconds since the epoch, by the pod's name."""

    def _look(self) -> None:
        while not self._over.wait(0.5):
            try:
                pods = self._working.pods()
            except (ApiException, HTTPError) as error:
                # A pod that terminates is there for seconds.
                print(f"the workers' pods were not looked at: {error}", file=sys.stderr)
                continue
            for pod in pods:
                if at := pod.metadata.deletion_timestamp:
                    grace = pod.metadata.deletion_grace_period_seconds or 0
                    self.told.setdefault(pod.metadata.name, at.timestamp() - grace)

    def __enter__(self) -> Terminations:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
