"""A release in a cluster, as kubectl and helm are asked about it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.development.errors import DevelopmentError
from tools import resolve

SECONDS = 60
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Release:
    """A Helm release of the chart. context, kubeconfig: empty for kubectl's own choice."""

    name: str
    namespace: str
    context: str = ""
    kubeconfig: str = ""

    def kubectl(self, *arguments: str) -> list[str]:
        """The command line of kubectl, which a person can run too."""
        chosen = [*self._option("--kubeconfig", self.kubeconfig), *self._option("--context", self.context)]
        return [str(resolve("kubectl")), *chosen, "--namespace", self.namespace, *arguments]

    def helm(self, *arguments: str) -> list[str]:
        """The command line of helm."""
        chosen = [*self._option("--kubeconfig", self.kubeconfig), *self._option("--kube-context", self.context)]
        return [str(resolve("helm")), *chosen, "--namespace", self.namespace, *arguments]

    @staticmethod
    def _option(name: str, value: str) -> list[str]:
        return [name, value] if value else []

    @property
    def selector(self) -> str:
        """The label by which its pods are found."""
        return f"{INSTANCE}={self.name}"

    def pods(self) -> list[dict[str, Any]]:
        """Its pods, those of its workers and jobs too. Raises DevelopmentError."""
        asked = self.kubectl("get", "pods", "--selector", self.selector, "--output", "json")
        listed: list[dict[str, Any]] = json.loads(run(asked))["items"]
        return listed

    def values(self, revision: int = 0) -> dict[str, Any]:
        """All values of a revision, by default the newest. Raises DevelopmentError where it is not installed."""
        which = self._option("--revision", str(revision or ""))
        asked = self._ask_helm("get", "values", self.name, "--all", "--output", "json", *which)
        values: dict[str, Any] = json.loads(asked)
        return values

    def revision(self) -> int:
        """The number of its newest revision. Raises DevelopmentError where it is not installed."""
        return int(json.loads(self._ask_helm("status", self.name, "--output", "json"))["version"])

    def _ask_helm(self, *arguments: str) -> str:
        try:
            return run(self.helm(*arguments))
        except DevelopmentError as error:
            if "not found" in str(error):
                raise DevelopmentError(
                    f"{self.name} is not deployed in the namespace {self.namespace}: make up deploys it, and "
                    "RELEASE=name and NAMESPACE=name choose another"
                ) from None
            raise


def run(command: list[str], *, stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run a command and return its standard output. Raises DevelopmentError with what it said."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise DevelopmentError(f"{name} didn't finish within {seconds:.0f} s: see kubectl cluster-info") from None
    if done.returncode:
        raise DevelopmentError(f"{name} failed: {done.stderr.strip()}")
    return done.stdout


def component(pod: dict[str, Any]) -> str:
    """Which part of the application a pod is: `server`, `worker-celery`."""
    return str(pod["metadata"]["labels"].get(COMPONENT, ""))


def main_container(pod: dict[str, Any]) -> str:
    """The container of the application in a pod: the first."""
    return str(pod["spec"]["containers"][0]["name"])
