"""The chart's values with which the pods of a release can be changed while they run.

All of it is what the chart takes anyway: a volume in place of the application's folder, a sidecar that fills it, and a
supervisor in front of the command of each worker. Helm replaces lists, so that those of the release are repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

SOURCE = PurePosixPath("/srv")
"""Where the image has the application."""
VOLUME = "live"
"""The name of the volume and of the sidecar."""
MOUNTED = "/live"
MARKER = "/dev/shm/flask-app-live"
"""In memory that the containers of a pod share."""
WORKER = "/dev/shm/flask-app-live-worker"
ANNOTATION = "flask-app/live-since-revision"
"""On the pods: the revision of the release to go back to."""
SYNC_SECONDS = 10
"""How long a new pod waits for the files. Where `make live` has gone, it starts with those of the image then."""
LISTS = ("initContainers", "volumes", "volumeMounts")
HERE = Path(__file__).parent


def live_values(values: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """The values to add to those that are in effect. revision: the one to go back to."""
    mounts = [mount for mount in values["volumeMounts"] if _path(mount) != SOURCE]
    is_writable = len(mounts) < len(values["volumeMounts"])
    added: dict[str, Any] = {
        "volumes": [*values["volumes"], {"name": VOLUME, "emptyDir": {}}],
        # Read-only like the image, unless the release has something there that is not.
        "volumeMounts": [{"name": VOLUME, "mountPath": str(SOURCE), "readOnly": not is_writable}, *mounts],
        "initContainers": [_sidecar(values), *values["initContainers"]],
        # The sidecar signals the server.
        "shareProcessNamespace": True,
        "podAnnotations": {ANNOTATION: str(revision)},
        # The schema is that of the image already.
        "migrations": {"enabled": False},
    }
    for kind in ("workers", "cronJobs"):
        for name, own in (values.get(kind) or {}).items():
            if changed := _workload(own, values, supervised=kind == "workers"):
                added.setdefault(kind, {})[name] = changed
    return added


def revision_before(values: Mapping[str, Any]) -> int | None:
    """The revision that a release which is live already goes back to; None for one that is not."""
    revision = (values.get("podAnnotations") or {}).get(ANNOTATION)
    return int(revision) if revision else None


def _workload(own: Mapping[str, Any], values: Mapping[str, Any], *, supervised: bool) -> dict[str, Any]:
    """What a worker or a cron job needs besides what it inherits."""
    changed: dict[str, Any] = {}
    if own.get("initContainers") is not None:
        changed["initContainers"] = [_sidecar(values), *own["initContainers"]]
    if supervised and own.get("command"):
        changed["command"] = ["python", "-c", _source("supervisor"), WORKER, *own["command"]]
    return changed


def _sidecar(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without an image it is the application's own, with its settings."""
    return {
        "name": VOLUME,
        "restartPolicy": "Always",
        "command": [
            "python",
            "-c",
            _source("start"),
            str(SOURCE),
            MOUNTED,
            MARKER,
            str(SYNC_SECONDS),
            *_places(values),
        ],
        "volumeMounts": [{"name": VOLUME, "mountPath": MOUNTED}, {"name": "tmp", "mountPath": "/tmp"}],
        "startupProbe": {"exec": {"command": ["test", "-e", MARKER]}, "periodSeconds": 1, "failureThreshold": 120},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }


def _places(values: Mapping[str, Any]) -> Iterable[str]:
    """What is mounted below the application's folder, for start.py."""
    workloads = [values, *(values.get("workers") or {}).values(), *(values.get("cronJobs") or {}).values()]
    paths = {_path(mount) for each in workloads for mount in each.get("volumeMounts") or [] if "subPath" not in mount}
    persistence = values.get("persistence") or {}
    if persistence.get("enabled"):
        paths.add(PurePosixPath(persistence["mountPath"]))
    yield from (f"folder:{path.relative_to(SOURCE)}" for path in sorted(paths) if SOURCE in path.parents)
    files = {PurePosixPath(path) for path in values.get("configFiles") or {}}
    yield from (f"file:{path.relative_to(SOURCE)}" for path in sorted(files) if SOURCE in path.parents)


def _path(mount: Mapping[str, Any]) -> PurePosixPath:
    return PurePosixPath(mount["mountPath"])


def _source(name: str) -> str:
    """A program for the pod. Its comments are for here."""
    return (HERE / f"{name}.py").read_text(encoding="utf-8")
