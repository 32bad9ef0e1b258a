"""kubectl for one namespace of one cluster. What is applied goes through standard input: it may be secret."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from delivery.deployment.errors import DeploymentError
from tools import resolve

OWNER = "flask-app"
"""Who owns the fields that are applied (server-side apply)."""
SECONDS = 60


@cache
def _kubectl() -> Path:
    """The pinned kubectl, which tells its version each time that it is looked for."""
    return resolve("kubectl")


@contextmanager
def kubeconfig() -> Iterator[dict[str, str]]:
    """The environment for helm and kubectl. A kubeconfig from KUBECONFIG_CONTENT is a private file while this lasts."""
    environment = dict(os.environ)
    content = environment.pop("KUBECONFIG_CONTENT", "")
    if not content:
        yield environment
        return
    # Made with mode 0600.
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:
        file.write(content)
        file.flush()
        yield {**environment, "KUBECONFIG": file.name}


@dataclass(frozen=True)
class Kubectl:
    """kubectl, with the cluster and the namespace that it is asked about. context: empty for the current one."""

    namespace: str
    context: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def command(self, *arguments: str) -> list[str]:
        """The command line, which a person can run too."""
        chosen = ["--context", self.context] if self.context else []
        return [str(_kubectl()), *chosen, "--namespace", self.namespace, *arguments]

    def ask(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it and return how it ended, whatever that is. Raises DeploymentError after a minute without an answer."""
        try:
            return subprocess.run(
                self.command(*arguments),
                input=stdin, env=dict(self.environment), capture_output=True, text=True, check=False, timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeploymentError(
                f"the cluster didn't answer kubectl {arguments[0]} within {SECONDS} s: see kubectl cluster-info"
            ) from None

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it and return its standard output. Raises DeploymentError with what it said."""
        done = self.ask(*arguments, stdin=stdin)
        if done.returncode:
            raise DeploymentError(f"kubectl {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
        return done.stdout

    def items(self, kind: str, **labels: str) -> list[dict[str, Any]]:
        """The objects of this kind that have these labels, each named without its prefix app.kubernetes.io/."""
        selector = ",".join(f"app.kubernetes.io/{name}={value}" for name, value in labels.items())
        found = self.run("get", kind, "--output", "json", *(["--selector", selector] if selector else []))
        listed: list[dict[str, Any]] = json.loads(found)["items"]
        return listed

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object of this name; None if there is none."""
        found = self.run("get", kind, name, "--ignore-not-found", "--output", "json")
        return json.loads(found) if found.strip() else None

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create these objects, or make those that are there like them."""
        everything = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        owned = ["apply", "--server-side", "--force-conflicts", "--field-manager", OWNER, "--filename", "-"]
        self.run(*owned, stdin=json.dumps(everything))

    def delete(self, kind: str, names: Sequence[str]) -> None:
        """Delete these objects, where they are there."""
        if names:
            self.run("delete", kind, *names, "--ignore-not-found", "--wait=false")

    def create_namespace(self) -> None:
        """Create the namespace, unless it is there or whoever asks may not even see that."""
        asked = self.ask("get", "namespace", self.namespace)
        if asked.returncode and "NotFound" in asked.stderr:
            self.run("create", "namespace", self.namespace)
