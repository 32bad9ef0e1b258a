"""Start a prober in the cluster, stop it, fetch its records.

It runs on the control plane's node, which no scenario drains or stops, and is steered through the API server. What it
measures goes from its pod to the Service, as any client's requests in the cluster do; never through a port-forward,
which leads to one pod.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
from types import TracebackType
from typing import Literal, Protocol

from harness import wait
from harness.records import Figures, parse
from harness.release import Release, Target
from harness.shell import run
from prober import Record

NAMESPACE = "probers"
# Longer than any scenario may take; a prober that ended early makes it invalid.
MAX_SECONDS = 1800
# As the prober's --timeout: whatever is under way when it stops takes no longer.
REQUEST_TIMEOUT_SECONDS = 5

Connections = Literal["new", "keep-alive"]

_numbers = itertools.count(1)
_run = secrets.token_hex(2)


class Prober:
    """A prober that runs while the `with` block does; afterwards `records` and `figures()` are there."""

    def __init__(
        self,
        target: Target,
        image: str,
        url: str,
        *,
        rate: float,
        connections: Connections,
        name: str | None = None,
    ) -> None:
        self._target, self._image, self._url, self._rate, self._connections = target, image, url, rate, connections
        self.name = name or f"{connections} connections"
        # The run is in the name, since a cluster that was kept may still hold the pods of one before.
        self._pod = f"prober-{_run}-{next(_numbers)}"
        self.records: list[Record] = []

    @property
    def last_due(self) -> float:
        """When the last request was due, in seconds since the epoch; 0 if there was none."""
        return self.records[-1].scheduled if self.records else 0.0

    def figures(self, start: float = 0.0, end: float = float("inf")) -> Figures:
        """The figures of the requests due from `start` to `end` (seconds since the epoch)."""
        return Figures.of(self.name, [record for record in self.records if start <= record.scheduled < end])

    def progress(self) -> tuple[int, int]:
        """Requests sent and failed so far, as the prober last said, some seconds ago; none before it says so.

        Through the API's client, not kubectl: another process every few seconds would disturb what is measured.
        """
        log = self._target.core.read_namespaced_pod_log(self._pod, NAMESPACE, tail_lines=5, _request_timeout=5)
        said = re.findall(r"sent (\d+), failed (\d+)", log)
        return (int(said[-1][0]), int(said[-1][1])) if said else (0, 0)

    def __enter__(self) -> Prober:
        run(self._kubectl("create", "--filename", "-"), stdin=json.dumps(self._manifest()))
        try:
            wait.until(f"{self._pod} sends", self._is_sending, timeout=60)
        except BaseException:
            # It may start later, with nobody left to stop it.
            self._delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Also after a failure: the records show what clients saw, and no prober may outlive its target.
        try:
            run(self._exec("touch", "/results/stop"))
            wait.until(f"{self._pod} is done", self._is_done, timeout=REQUEST_TIMEOUT_SECONDS + 15)
            sent = int(run(self._exec("cat", "/results/done")).stdout)
            self.records = parse(run(self._exec("cat", "/results/records.jsonl")).stdout, sent)
        finally:
            self._delete()

    def _delete(self) -> None:
        run(self._kubectl("delete", "pod", self._pod, "--grace-period=0", "--force", "--wait=false"))

    def _kubectl(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", NAMESPACE, *arguments)

    def _exec(self, *command: str) -> list[str]:
        return self._kubectl("exec", self._pod, "--", *command)

    def _is_sending(self) -> bool:
        return "sent" in run(self._kubectl("logs", self._pod), check=False).stdout

    def _is_done(self) -> bool:
        return run(self._exec("test", "-e", "/results/done"), check=False).returncode == 0

    def _manifest(self) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._pod, "namespace": NAMESPACE},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {
                        "name": "prober",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "args": [
                            "--url", self._url, "--rate", str(self._rate), "--connections", self._connections,
                            "--timeout", str(REQUEST_TIMEOUT_SECONDS), "--max-seconds", str(MAX_SECONDS),
                            "--results", "/results",
                        ],
                        # A prober that waits for the processor would measure itself. Several must fit on a control
                        # plane of two cores, whose own parts ask for one.
                        "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}},
                        "volumeMounts": [{"name": "results", "mountPath": "/results"}],
                    }
                ],
                "volumes": [{"name": "results", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}],
            },
        }  # fmt: skip


class StartProber(Protocol):
    """Makes a prober of a release; use it in a `with` statement. `name` is for the report."""

    def __call__(
        self,
        release: Release,
        *,
        connections: Connections = "new",
        rate: float = 50.0,
        path: str = "/echo",
        name: str | None = None,
    ) -> Prober: ...
