"""A real Prometheus that watches releases as the Prometheus Operator would have it, with the rules of their charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harness.cluster import wait
from harness.cluster.release import Target
from harness.cluster.shell import run
from harness.cluster.temporary import Temporary
from observability import manifests
from observability.manifests import NAME, NAMESPACE, PORT, Object

Key = tuple[str, str, str]
"""An alert: its name, the name of the release's objects, and its long window if it is of several."""
START_SECONDS = 120
# The image has no curl, but it has Python.
_FETCH = "import sys; from urllib.request import urlopen; print(urlopen(sys.argv[1], timeout=10).read().decode())"


@dataclass
class Monitoring(Temporary):
    """Prometheus, and kube-state-metrics' part beside it, for as long as the `with` block lasts.

    watched: the namespace of the releases. monitors and rules: their PodMonitors and PrometheusRules, as rendered.
    """

    target: Target
    image: str
    watched: str
    monitors: Sequence[Object]
    rules: Sequence[Object]

    def start(self) -> None:
        """Create all of it, and wait until Prometheus is ready."""
        items = manifests.prometheus(self.image, self.watched, self.monitors, self.rules)
        objects = {"apiVersion": "v1", "kind": "List", "items": items}
        # By the server: the rules are too large for the annotation that a client would keep.
        apply = ("apply", "--server-side", "--filename", "-")
        run(self.target.kubectl_command(*apply), stdin=json.dumps(objects))
        wait.until("Prometheus is ready", self._is_ready, timeout=START_SECONDS)

    def log(self) -> str:
        """What Prometheus and its neighbour have said last."""
        return run(self._kubectl("logs", NAME, "--all-containers", "--tail=50"), check=False).stdout

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of Prometheus' API."""
        url = f"http://127.0.0.1:{PORT}/api/v1/{path}?{urlencode(parameters)}"
        said = run(self._kubectl("exec", NAME, "--container", NAME, "--", "python", "-c", _FETCH, url)).stdout
        return json.loads(said)["data"]

    def firing(self) -> dict[Key, dict[str, Any]]:
        """The alerts that fire now, by name, release and long window, each with its labels and annotations."""
        found = {}
        for alert in self.get("alerts")["alerts"]:
            labels = alert["labels"]
            if alert["state"] == "firing":
                found[(labels["alertname"], labels["app"], labels.get("long", ""))] = alert
        return found

    def ill(self) -> dict[str, str]:
        """The rules that can't be evaluated, and why."""
        rules = [rule for group in self.get("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] == "err"}

    def _is_ready(self) -> bool:
        pod = self.target.core.read_namespaced_pod(NAME, NAMESPACE)
        return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])

    def _kubectl(self, *arguments: str) -> list[str]:
        return self.target.kubectl_command("--namespace", NAMESPACE, *arguments)

    def delete(self) -> None:
        """Delete the namespace, and the permissions in the one that is watched."""
        run(self.target.kubectl_command("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false"))
        roles = ("delete", f"role/{NAME}", f"rolebinding/{NAME}", "--ignore-not-found")
        run(self.target.kubectl_command("--namespace", self.watched, *roles), check=False)
