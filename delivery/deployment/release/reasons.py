"""Why a release does not become ready: the state of its pods, the last lines of their logs, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.release.remedies import remedy
from tools import ToolUnavailable

LINES = 20
"""Lines of a log that are shown. Where a traceback is longer, its end says what happened."""
HOPELESS_RESTARTS = 2
"""A container that has ended so often by itself is not expected to start any more."""
PULLS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
CONFIGS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

NO_NODE = "can't be scheduled"
CLAIM_ADVICE = (
    "name a storage class that kubectl get storageclass lists: delete the claim, which is empty (kubectl delete "
    "persistentvolumeclaim {claim}), and set persistence.storageClassName in your VALUES file; or make the claim "
    "yourself under this name, with the storageClassName and accessModes that the cluster offers"
)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a pod. container: whose log says more; empty if none has begun."""

    pod: str
    what: str
    container: str = ""
    previous: bool = False
    """The log is that of the run before, since the container was started again."""
    hopeless: bool = False
    """It does not pass by waiting."""
    advice: str = ""


def troubles(pod: dict[str, Any]) -> Iterator[Trouble]:
    """What is wrong with a pod, as `kubectl get --output json` has it. Nothing while it is only starting."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield Trouble(
                name,
                f"{NO_NODE}: {condition.get('message', '')}",
                advice="free resources on the nodes, or lower resources.requests in your VALUES file",
            )
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        yield from _of(name, container)


def _of(pod: str, status: dict[str, Any]) -> Iterator[Trouble]:
    name, restarts = status["name"], status.get("restartCount", 0)
    waiting = status.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    now, before = status.get("state", {}).get("terminated"), status.get("lastState", {}).get("terminated")
    ended = now or before
    if reason in PULLS:
        yield Trouble(
            pod, f"can't pull its image: {message}", hopeless=True,
            advice="check that the registry has the image, and that the cluster may pull it: "
            "imagePullSecrets in your VALUES file",
        )  # fmt: skip
    elif reason in CONFIGS:
        yield Trouble(pod, f"can't be created: {message}", hopeless=True)
    elif ended and ended.get("exitCode") and not status.get("ready"):
        killed = ended.get("reason") == "OOMKilled"
        yield Trouble(
            pod,
            f"exceeded its memory limit (OOMKilled, container {name})"
            if killed
            else f"exited with status {ended['exitCode']} (container {name})",
            name,
            previous=not now,
            hopeless=restarts >= HOPELESS_RESTARTS,
            advice="raise resources.limits.memory in your VALUES file" if killed else "",
        )
    elif status.get("state", {}).get("running") and not status.get("ready") and status.get("started") is not True:
        yield Trouble(pod, f"isn't ready: its startup probe hasn't succeeded (container {name})", name)


def readable(log: str) -> str:
    """The last lines of a log. Of nodrop's lines of JSON: message and traceback of warnings and what is worse."""
    lines: list[str] = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            lines.append(line)
        elif entry.get("level") not in ("debug", "info"):
            lines += [str(entry.get("message", line)), *str(entry.get("traceback", "")).splitlines()]
    return "\n".join(lines[-LINES:])


@dataclass
class Watch:
    """What goes wrong with the pods of a release that run an image, looked at while helm waits.

    A rollback deletes the pods that failed, and with them what they have said.
    """

    kubectl: Kubectl
    release: str
    image: str
    give_up: bool = False
    """Whether to say that waiting is of no use, as soon as it is."""
    seen: dict[str, tuple[Trouble, str]] = field(default_factory=dict)
    """The latest trouble of each pod, with its log."""

    def look(self) -> bool:
        """Look once. True if waiting is of no use any more."""
        try:
            pods = self.kubectl.items("pods", instance=self.release)
            for pod in filter(self._runs_it, pods):
                found = list(troubles(pod))
                if found:
                    found[-1] = self._with_claims(found[-1])
                    self.seen[pod["metadata"]["name"]] = (found[-1], self._log(found[-1]))
                else:
                    self.seen.pop(pod["metadata"]["name"], None)
        except (DeploymentError, ToolUnavailable):
            # The next look, or helm itself, says what is wrong with the cluster.
            return False
        return self.give_up and any(trouble.hopeless for trouble, _ in self.seen.values())

    def _with_claims(self, trouble: Trouble) -> Trouble:
        """What is wrong with a pod without a node, and with the claim that it may wait for: its events say what."""
        if not trouble.what.startswith(NO_NODE):
            return trouble
        pending = [
            each["metadata"]["name"]
            for each in self.kubectl.items("persistentvolumeclaims", instance=self.release)
            if each.get("status", {}).get("phase") == "Pending"
        ]
        said = "; ".join(f"the claim {name} has no volume: {self._events(name)}" for name in pending)
        if not said:
            return trouble
        return replace(trouble, what=f"{trouble.what}; {said}", advice=CLAIM_ADVICE.format(claim=pending[0]))

    def _events(self, claim: str) -> str:
        """What the cluster says of a claim, the latest last."""
        chosen = f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={claim}"
        asked = self.kubectl.ask("get", "events", "--field-selector", chosen, "--output", "json")
        events = json.loads(asked.stdout or "{}").get("items", []) if not asked.returncode else []
        return "; ".join(dict.fromkeys(str(each.get("message", "")) for each in events)) or "no events yet"

    def _runs_it(self, pod: dict[str, Any]) -> bool:
        containers = pod["spec"].get("containers", [])
        return "deletionTimestamp" not in pod["metadata"] and any(each["image"] == self.image for each in containers)

    def _log(self, trouble: Trouble) -> str:
        if not trouble.container:
            return ""
        which = ["--previous"] if trouble.previous else []
        asked = self.kubectl.ask("logs", trouble.pod, "--container", trouble.container, "--tail", "200", *which)
        return readable(asked.stdout) if not asked.returncode else self.seen.get(trouble.pod, (trouble, ""))[1]

    def explain(self) -> str:
        """What went wrong, one paragraph for each kind; empty if nothing was seen."""
        told: dict[tuple[str, str], str] = {}
        for trouble, log in self.seen.values():
            advice = trouble.advice or remedy(log)
            shown = f":\n{_indented(log)}" if log else ""
            # Replicas have one reason.
            advised = f"\n=> {advice}" if advice else ""
            told.setdefault((trouble.what, advice), f"pod {trouble.pod} {trouble.what}{shown}{advised}")
        return "\n\n".join(told.values())


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
