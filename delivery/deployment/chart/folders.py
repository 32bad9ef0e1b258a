"""The folders that an application writes to, as volumes of its pods: the image's own file system is read-only.

- What every pod must see (uploads, an SQLite database) is on a claim, and there is one replica.
- Everything else, such as a cache, is a folder of the pod's own, which ends with it.
- An SQLite database beside the code is moved to /data, if a setting such as DATABASE_URL gives its address.
- Any other file beside the code needs that folder to be writable: each pod works on a copy of the code.
What the image has in such a folder is copied into it first, where it is not there yet.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NoReturn

from delivery.deployment.chart.commented import Value
from delivery.deployment.chart.sqlite_settings import given_databases
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Description, Found, Written
from delivery.images.context import place

DATA = PurePosixPath("/data")
"""For a database that the application would put beside its code."""
CODE = PurePosixPath("/srv")
"""Where the image has the repository."""
WRITABLE = tuple(map(PurePosixPath, ("/tmp", "/dev", "/proc")))
SQLITE = "SQLite database"
FILES = {SQLITE, "database file", "log file", "file"}
"""What is a file, so that its folder must be writable."""


@dataclass(frozen=True)
class Folder:
    """A folder to mount."""

    path: PurePosixPath
    shared: bool
    why: str
    has_content: bool
    """The image has something in it."""


@dataclass(frozen=True)
class Folders:
    """Those of an application."""

    folders: tuple[Folder, ...] = ()
    copy_code: str = ""
    """Pods work on a copy of the code, for this reason; empty for none."""
    only_copy: str = ""
    """What is kept in that copy alone, so that there can be one pod, and its content ends with it; empty for none."""
    settings: tuple[Found[tuple[str, str]], ...] = ()
    """Settings, as name and value, that move what is written into one of the folders."""
    unused: frozenset[PurePosixPath] = frozenset()
    """Where SQLite databases would be, if the settings did not give another database."""

    @property
    def shared(self) -> bool:
        """Whether a claim is needed."""
        return any(each.shared for each in self.folders)

    def values(self, claim: str, release: str) -> Iterator[Value]:
        """The chart's values. claim: of the shared folders."""
        why = "; ".join(dict.fromkeys(filter(None, [*(each.why for each in self.folders), self.copy_code])))
        volumes, mounts, copies = self._mounts(claim)
        if not mounts:
            return
        yield Value(("volumes",), volumes, why)
        yield Value(("volumeMounts",), mounts, why)
        if copies:
            # The image may lack a folder that the repository has.
            copying = "; ".join(
                f"[ ! -d {shlex.quote(source)} ] || cp -R -n {shlex.quote(source)}/. {target}/"
                for source, target in copies
            )
            targets = [
                {**mount, "mountPath": target}
                for mount in mounts
                for source, target in copies
                if mount["mountPath"] == source
            ]
            # Without an image it is the application's own.
            container = {"name": "copy-folders", "command": ["sh", "-c", copying], "volumeMounts": targets}
            yield Value(("initContainers",), [container], "the image's content of these folders")
        for setting in self.settings:
            yield Value(("config", setting.value[0]), setting.value[1], setting.place)
        if self.shared or self.only_copy:
            shared = "; ".join([*(each.why for each in self.folders if each.shared), *filter(None, [self.only_copy])])
            one = f"one replica, because its files aren't shared between nodes: {shared}"
            yield Value(("autoscaling", "mode"), "fixed", one)
            yield Value(("replicaCount",), 1, one)
            yield Value(
                ("rollout", "strategy"), "Recreate", "the old pod must release the files before the new one starts"
            )
        if self.shared:
            path = ("affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
            yield Value(path, [_same_node(release)], "only the pods of one node can mount the claim, migrations too")

    def _mounts(self, claim: str) -> tuple[list[object], list[dict[str, str]], list[tuple[str, str]]]:
        """The volumes, their mounts, and what is copied: from where to where in the container that copies."""
        volumes: list[object] = []
        mounts: list[dict[str, str]] = []
        copies: list[tuple[str, str]] = []
        if self.copy_code:
            volumes.append({"name": "code", "emptyDir": {}})
            mounts.append({"name": "code", "mountPath": str(CODE)})
            copies.append((str(CODE), "/copy/code"))
        if self.shared:
            volumes.append({"name": "shared", "persistentVolumeClaim": {"claimName": claim}})
        for number, each in enumerate(self.folders, 1):
            name = f"folder-{number}"
            if each.shared:
                mounts.append({"name": "shared", "mountPath": str(each.path), "subPath": _sub_path(each.path)})
            else:
                volumes.append({"name": name, "emptyDir": {}})
                mounts.append({"name": name, "mountPath": str(each.path)})
            if each.has_content:
                copies.append((str(each.path), f"/copy/{name}"))
        return volumes, mounts, copies


def _same_node(release: str) -> dict[str, object]:
    """A term of affinity: the node of the release's other pods. The first one, which fits itself, may go anywhere.

    Databases of `make up` have no name, and don't count.
    """
    named = [{"key": "app.kubernetes.io/name", "operator": "Exists"}]
    selector = {"matchLabels": {"app.kubernetes.io/instance": release}, "matchExpressions": named}
    return {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}


def _sub_path(path: PurePosixPath) -> str:
    return str(path).strip("/").removeprefix("srv/").replace("/", "-")


def find_folders(
    description: Description, *, development: bool, has_database: bool, given: Mapping[str, str] | None = None
) -> Folders:
    """The folders to mount. has_database: another database is configured, so that none of SQLite is used.

    given: the settings that the pods get, by name; a value that isn't known is empty.

    Raises DeploymentError where production would lose what is written, which `development` may.
    """
    found: dict[PurePosixPath, Folder] = {}
    code = CODE / place(description)
    beside_code: list[Written] = []
    given = given or {}
    writes = description.surroundings.writes
    replaced = [each for each in writes if _is_replaced(each, has_database, given)]
    for each in (*(each for each in writes if each not in replaced), *given_databases(description, given)):
        path = folder_of(each, description)
        if path in (code, CODE):
            beside_code.append(each)
        elif path:
            _add(found, Folder(path, each.shared, _why(each), _has_content(description, path, code)))
    settings = _move_databases([each for each in beside_code if each.what == SQLITE and each.shared])
    if settings:
        _add(found, Folder(DATA, True, settings[0].place, False))
        beside_code = [each for each in beside_code if each.what != SQLITE or not each.shared]
    only_copy = [each for each in beside_code if each.shared]
    if only_copy and not (development and _is_one_pod(description)):
        _refuse(only_copy[0])
    return Folders(
        tuple(_outermost(found)),
        "; ".join(map(_why, beside_code)),
        "; ".join(map(_why, only_copy)),
        settings,
        frozenset(_places(replaced, description)),
    )


def _places(replaced: list[Written], description: Description) -> Iterator[PurePosixPath]:
    for each in replaced:
        if posixpath.dirname(each.path) != "/":
            path = folder_of(each, description)
            if path:
                yield DATA if path in (CODE, CODE / place(description)) else path


def _is_replaced(written: Written, has_database: bool, given: Mapping[str, str]) -> bool:
    """Whether it is a database in whose place the settings give another."""
    return written.what == SQLITE and (has_database or written.setting in given)


def _why(written: Written) -> str:
    return f"{written.what} {written.path}, {written.place}"


def _add(found: dict[PurePosixPath, Folder], folder: Folder) -> None:
    """Two things in one folder are one volume, which is shared if one of them is."""
    if there := found.get(folder.path):
        folder = replace(folder, shared=folder.shared or there.shared, why=f"{there.why}; {folder.why}")
    found[folder.path] = folder


def _move_databases(databases: list[Written]) -> tuple[Found[tuple[str, str]], ...]:
    """The setting that puts a database into /data; none if there is no database, several, or no such setting.

    It is the one that the code reads where it has the path: another one may be for development or for tests.
    """
    settings = {each.setting for each in databases}
    if len({each.path for each in databases}) != 1 or len(settings) != 1 or "" in settings:
        return ()
    (setting,) = settings
    file = PurePosixPath(databases[0].path).name
    return (Found((setting, f"sqlite:///{DATA / file}"), _why(databases[0])),)


def _is_one_pod(description: Description) -> bool:
    """No migration, worker or job needs to see what the server writes."""
    return not description.surroundings.migration and not description.surroundings.processes


def _refuse(written: Written) -> NoReturn:
    raise DeploymentError(
        f"{written.place}: {written.path} ({written.what}) is in the folder of the code, which each new version "
        "replaces, so its content would be lost. Move it to its own folder, such as instance/, or use a database "
        'server: for `make up` services = ["postgresql"] in flask-app.toml, else DATABASE_URL=... in your env file. If '
        f'its content may be lost, write scratch = ["{written.path}"] in flask-app.toml'
    )


def folder_of(written: Written, description: Description) -> PurePosixPath | None:
    """The folder to mount; None where it is writable anyway."""
    if written.path.startswith("~"):
        # HOME is /tmp.
        return None
    path = CODE / place(description) / written.path
    local = description.folder / written.path
    is_file = local.is_file() or (written.what in FILES and not local.is_dir())
    path = PurePosixPath("/" + "/".join(_normal((path.parent if is_file else path).parts[1:])))
    if path == PurePosixPath("/"):
        raise DeploymentError(
            f"{written.place}: {written.path} ({written.what}) would write to `/`, which is read-only: choose another "
            "folder"
        )
    return None if any(path == each or each in path.parents for each in WRITABLE) else path


def _normal(parts: tuple[str, ...]) -> list[str]:
    """Without . and .. ."""
    left: list[str] = []
    for part in parts:
        if part == ".." and left:
            left.pop()
        elif part not in (".", ".."):
            left.append(part)
    return left


def _has_content(description: Description, folder: PurePosixPath, code: PurePosixPath) -> bool:
    if code not in folder.parents:
        return False
    local = description.folder / folder.relative_to(code)
    return local.is_dir() and any(local.iterdir())


def _outermost(found: dict[PurePosixPath, Folder]) -> Iterator[Folder]:
    """Those that are in no other of the same kind, in order."""
    for path in sorted(found):
        if not any(outer in found and found[outer].shared == found[path].shared for outer in path.parents):
            yield found[path]
