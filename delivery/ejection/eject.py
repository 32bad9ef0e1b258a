"""`make eject`: write what builds and deploys an application into its repository, all of it or nothing."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from delivery.detection.description import Description
from delivery.ejection.advice import advice, makefile, top
from delivery.ejection.answers import Parts, detected
from delivery.ejection.checkout import Checkout, committed
from delivery.ejection.compiled import Compiled, compiled
from delivery.ejection.engine import ANSWERS, recorded, render, require_inside, require_own_files
from delivery.ejection.refusal import Refused
from delivery.own_files import copy_all


@dataclass(frozen=True)
class Ejected:
    """What was written. notes: what the user should know, in sentences."""

    files: tuple[str, ...]
    notes: tuple[str, ...]


def eject(description: Description, parts: Parts, *, root: Path, dockerfile: str = "", force: bool = False) -> Ejected:
    """Write the files into the repository that is described.

    root: this checkout. dockerfile: its path in the repository; by default what it was, or Dockerfile. force: replace
    files that are there already. Raises Refused, and then nothing was written.
    """
    repository = description.folder
    _require_new(repository, force=force)
    before = recorded(repository) if os.path.lexists(repository / ANSWERS) else {}
    with committed(root) as checkout, TemporaryDirectory(prefix="nodrop-ejected-") as temporary:
        staged, made = Path(temporary, "repository"), Path(temporary, "made")
        made.mkdir()
        pinned = compiled(made, description, checkout, parts)
        chosen = _chosen(repository, dockerfile, before)
        render(checkout, staged, known(description, parts, checkout, pinned) | chosen)
        pinned.replace(staged, {})
        files = sorted(str(each.relative_to(staged)) for each in staged.rglob("*") if not each.is_dir())
        _require_free(repository, staged, files, force=force)
        pinned.replace(repository, before)
        copy_all(staged, repository)
        return Ejected(
            tuple(files),
            (
                *description.notes,
                *pinned.locked.notes,
                *advice(description, files, checkout, pinned.locked.pip_conf),
            ),
        )


def known(description: Description, parts: Parts, checkout: Checkout, pinned: Compiled) -> dict[str, object]:
    """The answers that are not the user's choice. Raises Refused."""
    versions = {"uv": importlib.metadata.version("uv"), "server": checkout.server}
    return detected(description, parts, pinned.locked, pinned.folder) | versions


def _require_new(repository: Path, *, force: bool) -> None:
    if os.path.lexists(repository / ANSWERS) and not force:
        raise Refused(
            f"{repository} has these files already. make update APP={repository} brings them to this version and keeps "
            f"your edits; make eject APP={repository} FORCE=1 writes them anew and loses edits"
        )


def _chosen(repository: Path, dockerfile: str, before: Mapping[str, object]) -> dict[str, object]:
    """What depends on what the repository has; what it was before, if it has these files already. Raises Refused."""
    require_inside(dockerfile or "Dockerfile", "DOCKERFILE")
    return {
        "dockerfile": dockerfile or before.get("dockerfile", "Dockerfile"),
        "makefile": before.get("makefile", makefile(repository) is None),
        "workflow": before.get("workflow", top(repository) == repository),
    }


def _require_free(repository: Path, staged: Path, files: list[str], *, force: bool) -> None:
    """Raise Refused if a file is there that would be replaced by a different one, or a link in its place."""
    require_own_files(repository, files)
    taken = [
        name
        for name in files
        if os.path.lexists(repository / name)
        and not ((repository / name).is_file() and (repository / name).read_bytes() == (staged / name).read_bytes())
    ]
    if not taken or force:
        return
    ways = ["rename them", "or replace them with FORCE=1"]
    if "Dockerfile" in taken:
        ways.insert(1, "write the Dockerfile elsewhere with DOCKERFILE=deploy/Dockerfile")
    raise Refused(
        f"{repository} has files that would be overwritten, so nothing was written:\n"
        + "".join(f"  {name}\n" for name in taken)
        + f"Then run make eject APP={repository} again: {', '.join(ways)}"
    )
