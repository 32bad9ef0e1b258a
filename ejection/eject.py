"""`make eject`: write what builds and deploys an application into its repository, all of it or nothing."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from detection.description import Description
from ejection import locking
from ejection.answers import detected
from ejection.checkout import Checkout, committed
from ejection.engine import ANSWERS, render
from ejection.git import git, paths, succeeds
from ejection.refusal import Refused

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
TARGETS = ("help", "image", "run", "push", "secret", "deploy", "lock")
"""Of deploy/nodrop.mk."""


@dataclass(frozen=True)
class Ejected:
    """What was written. notes: what the user should know, in sentences."""

    files: tuple[str, ...]
    notes: tuple[str, ...]


def eject(
    description: Description,
    values: Mapping[str, object],
    *,
    root: Path,
    lock: locking.Lock,
    dockerfile: str = "Dockerfile",
    force: bool = False,
) -> Ejected:
    """Write the files into the repository that is described.

    values: of the chart, without the image. root: this checkout. force: replace files that are there already. Raises
    Refused, and then nothing was written.
    """
    repository = description.folder
    _require_new(repository, force=force)
    with committed(root) as checkout, TemporaryDirectory(prefix="nodrop-ejected-") as temporary:
        staged = Path(temporary) / "repository"
        render(checkout, staged, known(description, values, checkout) | _chosen(repository, dockerfile, force=force))
        notes = locking.compile_into(staged / "deploy", description, checkout, lock)
        files = sorted(str(each.relative_to(staged)) for each in staged.rglob("*") if not each.is_dir())
        _require_free(repository, staged, files, force=force)
        locking.replace(staged / "deploy", repository)
        shutil.copytree(staged, repository, dirs_exist_ok=True)
        return Ejected(tuple(files), (*notes, *_advice(repository, files, checkout)))


def known(description: Description, values: Mapping[str, object], checkout: Checkout) -> dict[str, object]:
    """The answers that are not the user's choice."""
    versions = {"uv": importlib.metadata.version("uv"), "server": checkout.server}
    return detected(description, values) | versions


def _require_new(repository: Path, *, force: bool) -> None:
    if (repository / ANSWERS).exists() and not force:
        raise Refused(
            f"{repository} has these files already: make update APP={repository} brings those of this version and keeps "
            f"edits; make eject APP={repository} FORCE=true writes them anew and loses edits"
        )


def _chosen(repository: Path, dockerfile: str, *, force: bool) -> dict[str, object]:
    """What depends on what the repository has. Files of an earlier `make eject` are written again."""
    again = force and (repository / ANSWERS).exists()
    theirs = _makefile(repository)
    ours = again and theirs and "include deploy/nodrop.mk" in theirs.read_text(encoding="utf-8", errors="replace")
    return {"dockerfile": dockerfile, "makefile": not theirs or bool(ours), "workflow": _top(repository) == repository}


def _makefile(repository: Path) -> Path | None:
    return next((repository / name for name in MAKEFILES if (repository / name).exists()), None)


def _top(repository: Path) -> Path:
    """The top of its git repository, where alone GitHub looks for workflows; itself, if it is in none."""
    if succeeds(repository, "rev-parse", "--show-toplevel"):
        return Path(git(repository, "rev-parse", "--show-toplevel"))
    return repository


def _require_free(repository: Path, staged: Path, files: list[str], *, force: bool) -> None:
    """Raise Refused if a file is there that would be replaced by a different one."""
    taken = [
        name
        for name in files
        if (repository / name).exists() and (repository / name).read_bytes() != (staged / name).read_bytes()
    ]
    if not taken or force:
        return
    listed = "".join(f"\n  {name}" for name in taken)
    way = (
        "; to keep your Dockerfile, add DOCKERFILE=deploy/Dockerfile" if {"Dockerfile", "Dockerfile.dockerignore"} & {*taken} else ""
    )
    raise Refused(
        f"{repository} has files that would be replaced, so nothing was written:{listed}\n"
        f"Rename them, or replace them: make eject APP={repository} FORCE=true{way}"
    )


def _advice(repository: Path, files: list[str], checkout: Checkout) -> list[str]:
    """What is left for the user to do."""
    notes = []
    makefile = _makefile(repository)
    if makefile and makefile.name not in files:
        text = makefile.read_text(encoding="utf-8", errors="replace")
        notes.append(f"{makefile.name} is yours and was not edited. To have the targets there, add:{_include(text)}")
    if _top(repository) != repository:
        notes.append(
            f"There is no workflow: GitHub runs only those at the top of the repository, {_top(repository)}. "
            f"Run `make -C {repository.relative_to(_top(repository))} -f deploy/nodrop.mk image push deploy` in one there."
        )
    if ignored := _ignored(repository, files):
        notes.append(f"git ignores {', '.join(ignored)}: add exceptions to .gitignore, or the files won't be committed.")
    if checkout.left_out:
        notes.append(f"The last commit of nodrop was used, without your changes of {', '.join(checkout.left_out)}.")
    return notes


def _include(makefile: str) -> str:
    """The lines that include the targets, under other names if the Makefile has targets of the same names."""
    theirs = {name for names in re.findall(r"^([\w. -]+?)\s*:(?!=)", makefile, re.MULTILINE) for name in names.split()}
    prefix = "\n  NODROP := nodrop-" if theirs & {*TARGETS} else ""
    return f"{prefix}\n  include deploy/nodrop.mk"


def _ignored(repository: Path, files: list[str]) -> list[str]:
    if not succeeds(repository, "rev-parse", "--git-dir") or not succeeds(repository, "check-ignore", "--quiet", *files):
        return []
    return paths(repository, "ls-files", "--others", "--ignored", "--exclude-standard", "--", *files)
