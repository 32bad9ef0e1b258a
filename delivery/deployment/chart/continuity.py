"""Data on the claim stays where the application finds it: a change of the code moves no mount away from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from delivery.deployment.chart.folders import CODE, Folder, Folders, folder_of
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Description
from delivery.images.context import place


def continued(
    folders: Folders, deployed: Mapping[str, Any], claim: str, description: Description, declaring: str
) -> tuple[Folders, list[str], list[str]]:
    """The folders with what must stay mounted, notes, and what must be refused, in sentences.

    deployed: the values of the release as it is. declaring: the file with the application's configuration.
    """
    given_up = {
        folder_of(each, description)
        for each in description.surroundings.writes
        if each.place == declaring and not each.shared
    }
    shared = {each.path for each in folders.folders if each.shared}
    kept: list[Folder] = []
    notes: list[str] = []
    refused: list[str] = []
    for path in _mounted(deployed, claim):
        if path in shared or given_up & {path, *path.parents}:
            continue
        if shared & set(path.parents):
            # Its data is in a place of its own on the claim, which the outer mount doesn't show.
            kept.append(Folder(path, shared=True, why=f"{path} was mounted before", has_content=False))
        elif path in folders.unused:
            notes.append(
                f"{path} is not mounted any more, since another database is configured. Its files stay on the claim "
                f"{claim}"
            )
        else:
            refused.append(_refusal(path, claim, CODE / place(description)))
    # A mount that lies in another stands after it.
    ordered = sorted([*folders.folders, *kept], key=lambda each: each.path)
    return replace(folders, folders=tuple(ordered)), notes, refused


def refuse(found: list[str]) -> None:
    """Raise DeploymentError with these sentences, if there are any."""
    if found:
        raise DeploymentError("\n".join(found))


def _mounted(deployed: Mapping[str, Any], claim: str) -> Iterator[PurePosixPath]:
    """Where the release has the claim mounted."""
    volumes = {
        each["name"]
        for each in deployed.get("volumes") or []
        if (each.get("persistentVolumeClaim") or {}).get("claimName") == claim
    }
    for each in deployed.get("volumeMounts") or []:
        if each.get("name") in volumes:
            yield PurePosixPath(each["mountPath"])


def _refusal(path: PurePosixPath, claim: str, code: PurePosixPath) -> str:
    key = path.relative_to(code) if path.is_relative_to(code) else path
    return (
        f"the release has data in {path}, which is on the claim {claim} and would not be mounted any more: the "
        f'application no longer writes there, as far as its code tells. Write writable = ["{key}"] in flask-app.toml '
        f'to keep it, or scratch = ["{key}"] if the application needs that data no more'
    )
