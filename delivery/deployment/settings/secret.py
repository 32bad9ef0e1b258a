"""The Secret that a release's pods get their environment from, and the one that keeps what `make up` has made up.

Each content has a Secret of its own, <release>-env-<number>, which is never changed: a rollback of the release brings
its old settings back too, and a changed value starts new pods. The values are in no command line and not in helm's
release, which names the Secret alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.deployment.release.kubectl import Kubectl

KEPT = 10
"""Revisions that helm keeps, to roll back to."""


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """The data of a Secret."""
    return {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}


def decoded(secret: Mapping[str, Any] | None) -> dict[str, str]:
    """What a Secret holds. Bytes that are no UTF-8 are replaced: they can't be an environment variable."""
    data = (secret or {}).get("data") or {}
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


def labels(release: str, component: str) -> dict[str, str]:
    """The labels of what is made beside the chart."""
    return {
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "flask-app",
    }


@dataclass(frozen=True)
class Version:
    """One content of a release's environment. new: it is not in the cluster yet."""

    name: str
    values: Mapping[str, str]
    new: bool


@dataclass(frozen=True)
class EnvironmentSecrets:
    """The Secrets of a release's environment."""

    kubectl: Kubectl
    release: str

    def _all(self) -> dict[int, dict[str, Any]]:
        found = self.kubectl.items("secrets", instance=self.release, component="environment")
        named = re.compile(re.escape(self.release) + r"-env-(\d+)")
        return {
            int(match[1]): secret for secret in found if (match := named.fullmatch(str(secret["metadata"]["name"])))
        }

    def version(self, values: Mapping[str, str], current: str) -> Version:
        """The version with these values. current: the name of the one that is deployed, which is kept if it fits."""
        there = self._all()
        for secret in there.values():
            if secret["metadata"]["name"] == current and decoded(secret) == values:
                return Version(current, values, new=False)
        return Version(f"{self.release}-env-{max(there, default=0) + 1}", values, new=True)

    def content(self, name: str) -> dict[str, str]:
        """What the version of this name holds; empty if there is none."""
        return decoded(self.kubectl.find("secret", name)) if name else {}

    def create(self, version: Version) -> None:
        """Put a version into the cluster, if it is new."""
        if not version.new:
            return
        metadata = {"name": version.name, "labels": labels(self.release, "environment")}
        self.kubectl.apply(
            {
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": True,
                "metadata": metadata, "data": encoded(version.values),
            }
        )  # fmt: skip

    def withdraw(self, version: Version) -> None:
        """Delete a version that was not deployed in the end."""
        if version.new:
            self.kubectl.delete("secrets", [version.name])

    def prune(self, version: Version) -> None:
        """Delete those that no revision to roll back to can name any more."""
        there = sorted(self._all().items())
        old = [str(secret["metadata"]["name"]) for _, secret in there[:-KEPT]]
        self.kubectl.delete("secrets", [name for name in old if name != version.name])


@dataclass(frozen=True)
class MadeUp:
    """Passwords and keys of `make up`, made once and kept in the cluster, so that every pod has the same."""

    kubectl: Kubectl
    release: str

    @property
    def name(self) -> str:
        """The Secret's name."""
        return f"{self.release}-development"

    def read(self) -> dict[str, str]:
        """What has been made so far."""
        return decoded(self.kubectl.find("secret", self.name))

    def keep(self, values: Mapping[str, str]) -> None:
        """Keep exactly these."""
        metadata = {"name": self.name, "labels": labels(self.release, "development")}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded(values)}
        )
