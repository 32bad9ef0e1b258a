"""A release whose kubectl and helm are a program of these tests: what they say is in files, what they do runs here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from delivery.development.cluster import COMPONENT, Release

PROGRAM = Path(__file__).parent / "fake_kubectl.py"
NOW = "2026-11-27T12:00:00Z"


class FakeRelease(Release):
    """A release of `shop` in a folder. See fake_kubectl.py for what is in it."""

    @classmethod
    def made(
        cls, folder: Path, *, pods: list[dict[str, Any]], logs: dict[str, str] | None = None, values: Any = None
    ) -> FakeRelease:
        """Make the folder's files. logs: of each pod."""
        (folder / "cluster" / "logs").mkdir(parents=True, exist_ok=True)
        cls.set_pods(folder, pods)
        for name, text in (logs or {}).items():
            (folder / "cluster" / "logs" / name).write_text(f"{text}\n")
        (folder / "cluster" / "values").write_text(json.dumps(values or {}))
        return cls("shop", "default", kubeconfig=str(folder / "cluster"))

    @staticmethod
    def set_pods(folder: Path, pods: list[dict[str, Any]]) -> None:
        """Have these pods from now on, which a watch tells of."""
        new = folder / "cluster" / "pods.new"
        new.write_text(json.dumps({"items": pods}))
        new.rename(folder / "cluster" / "pods")

    def kubectl(self, *arguments: str) -> list[str]:
        return [sys.executable, str(PROGRAM), self.kubeconfig, "kubectl", *arguments]

    def helm(self, *arguments: str) -> list[str]:
        return [sys.executable, str(PROGRAM), self.kubeconfig, "helm", *arguments]


def pod(
    name: str,
    *,
    part: str = "server",
    container: str = "flask-app",
    created: str = NOW,
    ready: bool = True,
    ending: bool = False,
    phase: str = "Running",
    crashing: bool = False,
) -> dict[str, Any]:
    """A pod with a sidecar for live edits, as the API server describes it."""
    state = {"waiting": {"reason": "CrashLoopBackOff"}} if crashing else {"running": {"startedAt": created}}
    return {
        "metadata": {
            "name": name,
            "labels": {COMPONENT: part},
            "creationTimestamp": created,
            **({"deletionTimestamp": created} if ending else {}),
        },
        "spec": {"containers": [{"name": container}], "initContainers": [{"name": "live"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "initContainerStatuses": [
                {"name": "live", "containerID": f"live-{name}", "state": {"running": {"startedAt": created}}}
            ],
            "containerStatuses": [{"name": container, "containerID": f"main-{name}", "state": state}],
        },
    }
