"""Start a prober in the cluster, stop it, fetch its records.

It runs on the control plane's node, which no scenario drains or stops, and is steered through the API server. What it
measures goes from its pod to the Service, as any client's requests in the cluster do; never through a port-forward,
which leads to one pod.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
import secrets
from collections.abc import Sequence
from typing import Protocol

from harness.cluster import wait
from harness.cluster.nodes import CONTROL_PLANE
from harness.cluster.release import Release, Target
from harness.cluster.shell import run
from harness.cluster.temporary import Temporary
from harness.measuring.records import Figures, parse
from harness.measuring.traffic import NAMES, Kind
from prober import Record

NAMESPACE = "probers"
LABELS = {"app.kubernetes.io/name": "prober"}
# Longer than any scenario may take; a prober that ended early makes it invalid.
MAX_SECONDS = 1800
REQUEST_TIMEOUT_SECONDS = 5.0

# A look-up is a datagram, which is lost if it goes to a CoreDNS that has just ended. The C library asks again after
# five seconds, which is all the patience that the clients have, and it asks twice.
LOOK_UP = {"dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}]}}

# A kubelet whose API server was away may take more than a minute until it hears of new pods again.
START_SECONDS = 150
FETCH_SECONDS = 30

# The records are kept in memory: at the longest run and the highest rate they must fit. Measured: 117 bytes.
RESULTS_MIB = 256
RECORD_BYTES = 160
# USER_HZ, which is the same on every Linux.
CLOCK_TICKS = 100
MOST_RATE = RESULTS_MIB * 1024 * 1024 // MAX_SECONDS // RECORD_BYTES
"""The highest rate of a prober, in requests a second."""

# Compressed to some 25 bytes a record, and as text, which is what `run` gives back. All of it costs the node some
# CPU time while other probers may be sending, hence the fastest level.
FETCH = "gzip -1 --stdout {folder}/records.jsonl | base64 --wrap=0"

_numbers = itertools.count(1)
_run = secrets.token_hex(2)


def unpack(text: str) -> str:
    """The records.jsonl that the command FETCH has written."""
    return gzip.decompress(base64.b64decode(text)).decode()


def control_plane(target: Target) -> dict[str, str]:
    """The node selector of the control plane's node; none where the cluster shows no such node."""
    return next(
        ({CONTROL_PLANE: node.metadata.labels[CONTROL_PLANE]} for node in target.core.list_node().items
         if CONTROL_PLANE in node.metadata.labels),
        {},
    )  # fmt: skip


class Prober(Temporary):
    """A prober that runs while the `with` block does; afterwards `records` and `figures()` are there.

    url: where to send to, as http://host[:port]: the Service, a NodePort or an Ingress.
    path: path and query; the example application's for this kind if not given.
    timeout: seconds from when a request is due until it counts as failed.
    node: where it runs; on the control plane's node if not given, and anywhere if the cluster shows none.
    looks_up: whether the name is looked up for each connection, and asked for again after a second without an answer.
    options: further arguments of the prober, such as --expect-body for an application that does not echo.
    Raises ValueError if the records of the longest run would not fit.
    """

    def __init__(
        self,
        target: Target,
        image: str,
        url: str,
        *,
        rate: float,
        kind: Kind,
        path: str | None = None,
        name: str | None = None,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        node: str | None = None,
        looks_up: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        if rate > MOST_RATE:
            raise ValueError(f"the records of {rate} requests/s do not fit into {RESULTS_MIB} MiB: at most {MOST_RATE}")
        self._target, self._image, self.rate = target, image, rate
        self.arguments: list[str] = [
            "--url", url, "--kind", kind, "--rate", str(rate), *(["--path", path] if path else []),
            "--timeout", str(timeout), "--max-seconds", str(MAX_SECONDS), "--results", "/results",
            *(["--look-up"] if looks_up else []), *options,
        ]  # fmt: skip
        self.name = name or NAMES[kind]
        self._timeout = timeout
        self._node = node
        self._looks_up = looks_up
        # The run is in the name, since a cluster that was kept may still hold the pods of one before.
        self._pod = f"prober-{_run}-{next(_numbers)}"
        self.records: list[Record] = []

    @property
    def last_due(self) -> float:
        """When the last request was due, in seconds since the epoch; 0 if there was none."""
        return self.records[-1].scheduled if self.records else 0.0

    def figures(self, start: float = 0.0, end: float = float("inf"), over_by: float = float("inf")) -> Figures:
        """The figures of the requests due from `start` to `end`, over before `over_by`, in seconds since the epoch."""
        return Figures.of(self.name, self.records, start, end, over_by)

    def progress(self) -> tuple[int, int]:
        """Requests sent and failed so far, as the prober last said, some seconds ago; none before it says so.

        Through the API's client, not kubectl: another process every few seconds would disturb what is measured.
        """
        log = self._target.core.read_namespaced_pod_log(self._pod, NAMESPACE, tail_lines=5, _request_timeout=5)
        said = re.findall(r"sent (\d+), failed (\d+)", log)
        return (int(said[-1][0]), int(said[-1][1])) if said else (0, 0)

    def processor_seconds(self) -> float:
        """The CPU time that it has used so far, the kernel's for it included."""
        user, system = run(self._exec("cat", "/proc/1/stat")).stdout.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / CLOCK_TICKS

    def start(self) -> None:
        """Wait until it sends."""
        run(self._kubectl("create", "--filename", "-"), stdin=json.dumps(self._manifest()))
        wait.until(f"{self._pod} sends", self._is_sending, timeout=START_SECONDS)

    def finish(self) -> None:
        """Stop it and fetch its records. Also after a failure: they show what clients saw."""
        told = self._exec("touch", "/results/stop")
        wait.until(f"{self._pod} is told to stop", lambda: run(told), timeout=FETCH_SECONDS)
        wait.until(f"{self._pod} is done", self._is_done, timeout=self._timeout + 15)
        # Nothing of it changes any more: a stream of the API server's that breaks off is begun anew.
        (text,) = wait.until(f"the records of {self._pod} are whole", self._fetch, timeout=FETCH_SECONDS)
        self.records = parse(text, int(run(self._exec("cat", "/results/done")).stdout))

    def _fetch(self) -> list[str]:
        """All records, as one text; none if what came is not whole."""
        fetched = run(self._exec("sh", "-c", FETCH.format(folder="/results"))).stdout
        try:
            return [unpack(fetched)]
        except (EOFError, OSError, ValueError):
            return []

    def _is_done(self) -> bool:
        return run(self._exec("test", "-e", "/results/done"), check=False).returncode == 0

    def delete(self) -> None:
        """Delete the pod: no prober may outlive what it sends to, nor start when nobody is left to stop it."""
        run(self._kubectl("delete", "pod", self._pod, "--grace-period=0", "--force", "--wait=false"))

    def _kubectl(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", NAMESPACE, *arguments)

    def _exec(self, *command: str) -> list[str]:
        return self._kubectl("exec", self._pod, "--", *command)

    def _is_sending(self) -> bool:
        return "sent" in run(self._kubectl("logs", self._pod), check=False).stdout

    def _manifest(self) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._pod, "namespace": NAMESPACE, "labels": LABELS},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "nodeSelector": {"kubernetes.io/hostname": self._node} if self._node else control_plane(self._target),
                "tolerations": [{"operator": "Exists"}],
                **(LOOK_UP if self._looks_up else {}),
                "containers": [
                    {
                        "name": "prober",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "args": self.arguments,
                        # A prober that waits for the processor would measure itself. Several must fit on a control
                        # plane of two cores, whose own parts ask for one.
                        "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}},
                        "volumeMounts": [{"name": "results", "mountPath": "/results"}],
                    }
                ],
                "volumes": [{"name": "results", "emptyDir": {"medium": "Memory", "sizeLimit": f"{RESULTS_MIB}Mi"}}],
            },
        }


class StartProber(Protocol):
    """Makes a prober of a release; use it in a `with` statement. `name` is for the report; `url` leads to the release
    by another way than its Service."""

    def __call__(
        self,
        release: Release,
        *,
        kind: Kind = "new",
        rate: float = 50.0,
        path: str | None = None,
        url: str | None = None,
        name: str | None = None,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Prober: ...
