"""What a values file of the user's may not undo: that data which all pods share is mounted, and that one pod has it.

Helm replaces lists, so that those of both are put together. An entry of the user's takes the place of ours where both
have the same name or the same path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from delivery.deployment.chart.commented import Value
from delivery.deployment.chart.folders import Folders
from delivery.deployment.errors import DeploymentError

AFFINITY = ("affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
LISTS: dict[tuple[str, ...], str] = {
    ("volumes",): "name",
    ("volumeMounts",): "mountPath",
    ("initContainers",): "name",
    AFFINITY: "topologyKey and labelSelector",
}
"""Lists of the chart's values, and what names an entry."""
ONE_POD = {"autoscaling.mode": "fixed", "replicaCount": 1, "rollout.strategy": "Recreate"}


def joined_lists(ours: Sequence[Value], user: Mapping[str, Any]) -> list[Value]:
    """The lists that both have, as they are to be."""
    found = []
    for each in ours:
        name = LISTS.get(each.path)
        own = _at(user, each.path)
        if name is None or own is None or not isinstance(each.value, list):
            continue
        taken = {entry.get(name) for entry in own if isinstance(entry, dict)}
        # Terms of affinity have no name, and all of them count.
        kept = [entry for entry in each.value if each.path == AFFINITY or entry.get(name) not in taken]
        found.append(Value(each.path, [*kept, *own], f"{each.comment}; and your own"))
    return found


def refuse_more_pods(folders: Folders, user: Mapping[str, Any], file: object) -> None:
    """Raise DeploymentError if the user's values have more than one pod write to files that only one may have."""
    shared = [each for each in folders.folders if each.shared and each.path not in _mounted(user)]
    if not shared and not folders.only_copy:
        return
    for path, value in ONE_POD.items():
        given = _at(user, path.split("."))
        if given is None or given == value or (path == "replicaCount" and given == 0):
            continue
        why = "; ".join([*(each.why for each in shared), *filter(None, [folders.only_copy])])
        own = f", or mount a volume at {shared[0].path} that pods of several nodes can write to" if shared else ""
        raise DeploymentError(
            f"{file} sets {path} to {given}, while one pod alone can have the files of the application ({why}): "
            f"remove the key{own}, or keep the data in a database server"
        )


def _mounted(user: Mapping[str, Any]) -> set[PurePosixPath]:
    """Where the user mounts a volume."""
    mounts: Iterable[Any] = user.get("volumeMounts") or []
    return {PurePosixPath(str(each["mountPath"])) for each in mounts if isinstance(each, dict) and "mountPath" in each}


def _at(values: Any, path: Iterable[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values
