"""What a fault is injected with: the release, the cluster's nodes, the images, and the outcome to write into."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.nodes import Nodes
from harness.cluster.release import Release, Target
from harness.cluster.shell import run
from harness.measuring.prober import Prober
from harness.measuring.sampler import Sampler
from harness.measuring.traffic import Traffic
from harness.report.report import Outcome

StartTraffic = Callable[[Release, Traffic], Prober]


class Stage:
    """Given to the act of one scenario.

    sampler: the replicas of the release's Deployment since before the control phase.
    seed: what a scenario draws lots with. probers: those of the scenario's traffic. phases: for the scenario's own use
    after the act, times by name, in seconds since the epoch.
    """

    def __init__(
        self,
        release: Release,
        images: Images,
        nodes: Nodes,
        outcome: Outcome,
        sampler: Sampler,
        start: StartTraffic,
        seed: int,
    ) -> None:
        self.release, self.images, self.nodes, self.outcome, self.sampler = release, images, nodes, outcome, sampler
        self.seed = seed
        self.probers: list[Prober] = []
        self.phases: dict[str, tuple[float, float]] = {}
        self._start = start

    @property
    def target(self) -> Target:
        """The cluster."""
        return self.release.target

    def event(self, text: str) -> None:
        """Mark this moment on the timeline."""
        self.outcome.events.append((time.time(), text))

    def note(self, name: str, value: float | str) -> None:
        """Keep a figure of this scenario's own."""
        self.outcome.notes[name] = value

    # --- The release ---

    def next_image(self) -> str:
        """The one of the two images that does not run now."""
        return self.images.second if self.release.image == self.images.first else self.images.first

    def pods(self) -> list[str]:
        """The names of the server pods that are not on their way out, in order."""
        return sorted(pod.metadata.name for pod in self.release.pods() if not pod.metadata.deletion_timestamp)

    def victim(self) -> str:
        """The pod that the fault hits."""
        return self.pods()[0]

    def restored(self, lost: str, number: int) -> bool:
        """Whether there are so many pods again, all ready, without the one that was lost.

        The pods themselves are asked: what the Deployment says of them may be of before.
        """
        pods = self.pods()
        return len(pods) == number and lost not in pods and all(map(self.is_ready, pods))

    def node_of(self, pod: str) -> str:
        """The node of a pod."""
        return next(iter(self.release.nodes_of([pod])))

    def container_id(self, pod: str) -> str:
        """The id of the pod's container that runs, or ran last; another after each restart."""
        status = self._status(pod)
        return str(status.container_id or "")

    def restarts(self, pod: str) -> int:
        """How often the pod's container was restarted."""
        return int(self._status(pod).restart_count)

    def last_end(self, pod: str) -> str:
        """Why the pod's container ended last, such as OOMKilled."""
        ended = self._status(pod).last_state.terminated
        return str(ended.reason) if ended else ""

    def _status(self, pod: str) -> Any:
        found = self.target.core.read_namespaced_pod(pod, self.release.namespace)
        return found.status.container_statuses[0]

    def is_ready(self, pod: str) -> bool:
        """Whether the pod counts as ready, which its node's loss ends too."""
        conditions = self.target.core.read_namespaced_pod(pod, self.release.namespace).status.conditions or []
        return any(each.type == "Ready" and each.status == "True" for each in conditions)

    def execute(self, pod: str, *command: str, timeout: float = 60, check: bool = True) -> str:
        """Run a command in the pod's container and return what it printed."""
        return run(
            self.kubectl("exec", pod, "--container", self.release.container, "--", *command),
            timeout=timeout,
            check=check,
        ).stdout

    def succeeds(self, pod: str, *command: str) -> bool:
        """Whether a command in the pod's container succeeds."""
        container = ["exec", pod, "--container", self.release.container, "--"]
        return run(self.kubectl(*container, *command), timeout=60, check=False).returncode == 0

    def kubectl(self, *arguments: str) -> list[str]:
        """The command line of kubectl in the release's namespace."""
        return self.target.kubectl_command("--namespace", self.release.namespace, *arguments)

    def ready_replicas(self) -> int:
        """The ready replicas at this moment."""
        return self.release.deployment().status.ready_replicas or 0

    # --- Time and traffic ---

    def until(self, what: str, condition: Callable[[], object], timeout: float) -> float:
        """Wait until `condition` holds, mark it on the timeline, and return the seconds it took."""
        started = time.monotonic()
        wait.until(what, condition, timeout=timeout, interval=0.25)
        self.event(what)
        return round(time.monotonic() - started, 1)

    def sleep(self, seconds: float) -> None:
        """Let time pass, where the passing of time is the point."""
        time.sleep(seconds)

    @contextmanager
    def load(self, traffic: Traffic) -> Iterator[Prober]:
        """A further prober, for the time of the `with` block. Its failures count too."""
        prober = self._start(self.release, traffic)
        self.outcome.others.append(prober)
        with prober:
            self.event(f"{traffic.name}: {traffic.rate:g} requests/s")
            yield prober
        self.event(f"{traffic.name}: over")
