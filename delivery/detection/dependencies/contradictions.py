"""Where a lock file and what it was made from no longer agree."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from delivery.detection.dependencies.declarations import Declarations, environment
from delivery.detection.dependencies.lock_files import Pins
from delivery.detection.reading import LARGEST_LOCK_BYTES, from_toml, read_bytes
from delivery.detection.repository import Repository

UPDATES = {
    "uv.lock": "uv lock",
    "poetry.lock": "poetry lock",
    "pdm.lock": "pdm lock",
    "Pipfile.lock": "pipenv lock",
    "pylock.toml": "uv export --format pylock.toml --output-file pylock.toml",
    "requirements.lock": "make lock",
}


def between(repository: Repository, lock: str, pins: Pins, declared: Declarations, python: str) -> list[str]:
    """Notes on a lock file that is older than what it was made from. python: the image's."""
    versions: dict[str, set[str]] = {}
    for pin in pins.packages:
        versions.setdefault(pin.name, set()).add(pin.version)
    wrong = []
    for line in declared.requirements:
        try:
            requirement = Requirement(line.text)
        except InvalidRequirement:
            continue
        if requirement.url or not _concerns(requirement, python):
            continue
        locked = versions.get(canonicalize_name(requirement.name))
        if locked is None:
            wrong.append(f"{requirement.name} is not in it")
        elif not any(_satisfies(requirement, version) for version in locked):
            wrong.append(f"it has {requirement.name} {', '.join(sorted(locked))}, not {requirement.specifier}")
    if not wrong and lock == "poetry.lock" and _content_hash(repository) != _recorded(repository):
        wrong.append("its content-hash doesn't match")
    if not wrong:
        return []
    source = "Pipfile" if lock == "Pipfile.lock" else declared.files[0] if declared.files else "pyproject.toml"
    return [f"{lock} is older than {source}: {'; '.join(wrong)}. `{UPDATES[lock]}` brings it up to date."]


def other_files(lock: str, pins: Pins, other: Declarations) -> list[str]:
    """A note on a requirements file beside a lock file that pins other versions."""
    versions = {pin.name: pin.version for pin in pins.packages}
    differing = []
    for line in other.requirements:
        try:
            requirement = Requirement(line.text)
        except InvalidRequirement:
            continue
        locked = versions.get(canonicalize_name(requirement.name))
        if locked and str(requirement.specifier).startswith("==") and not _satisfies(requirement, locked):
            differing.append(f"{requirement.name} {locked} instead of {str(requirement.specifier).lstrip('=')}")
    if not differing:
        return []
    return [f"{lock} is used; {other.files[0]} is ignored: {', '.join(differing)}."]


def _concerns(requirement: Requirement, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment(python))


def _satisfies(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def _recorded(repository: Repository) -> str:
    try:
        data = from_toml(read_bytes(repository.folder / "poetry.lock", LARGEST_LOCK_BYTES).decode())
    except (OSError, ValueError):
        return ""
    return str(data.get("metadata", {}).get("content-hash", ""))


def _content_hash(repository: Repository) -> str:
    """As Poetry computes it, over the tables that can change what it locks."""
    whole: dict[str, Any] = repository.pyproject
    project, groups = whole.get("project", {}), whole.get("dependency-groups", {})
    poetry = whole.get("tool", {}).get("poetry", {})
    ours = {key: project[key] for key in ("requires-python", "dependencies", "optional-dependencies") if key in project}
    theirs = {}
    for key in ("dependencies", "source", "extras", "dev-dependencies", "group"):
        if poetry.get(key) is not None or not (key == "group" or ours or groups):
            theirs[key] = poetry.get(key)
    if not ours and not groups:
        content: dict[str, Any] = theirs
    else:
        content = {"tool": {"poetry": theirs}}
        content |= {"project": ours} if ours else {}
        content |= {"dependency-groups": groups} if groups else {}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
