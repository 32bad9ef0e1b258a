"""`make shell`: a shell, or any command, in a pod of a release, with the settings and secrets of the application."""

from __future__ import annotations

from typing import Any

from delivery.development.cluster import Release, component, main_container
from delivery.development.errors import DevelopmentError

SHELL = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"


def shell_command(release: Release, command: str, part: str, *, for_terminal: bool) -> list[str]:
    """The command line of kubectl. command: what to run; empty for a shell. part: `server`, or `worker-NAME`.

    Raises DevelopmentError where no pod of that part runs.
    """
    pods = [pod for pod in release.pods() if component(pod) == part]
    if not pods:
        release.revision()
        parts = sorted({component(pod) for pod in release.pods()})
        raise DevelopmentError(
            f"{release.name} has no {part} pod; its pods are {', '.join(parts) or 'none'}: see "
            f"kubectl --namespace {release.namespace} get pods"
        )
    pod = max(pods, key=_suitability)
    if pod["status"]["phase"] != "Running":
        raise DevelopmentError(
            f"no {part} pod is running: see kubectl --namespace {release.namespace} describe pod "
            f"{pod['metadata']['name']}"
        )
    return release.kubectl(
        "exec", "--stdin", *(["--tty"] if for_terminal else []), pod["metadata"]["name"],
        "--container", main_container(pod), "--", "nodrop", "run", "--", "sh", "-c", command or SHELL,
    )  # fmt: skip


def _suitability(pod: dict[str, Any]) -> tuple[bool, bool, str]:
    """Rather one that stays, is ready, is new."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    metadata = pod["metadata"]
    return not metadata.get("deletionTimestamp"), conditions.get("Ready") == "True", metadata["creationTimestamp"]
