"""`make update`: merge what this version of nodrop writes with the user's edits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from delivery.detection.description import Description
from delivery.ejection.advice import left_out
from delivery.ejection.answers import Parts
from delivery.ejection.checkout import Checkout, committed
from delivery.ejection.compiled import DEPLOY, compiled
from delivery.ejection.eject import known
from delivery.ejection.engine import ANSWERS, merge, recorded, require_own_files
from delivery.ejection.git import git, paths, succeeds
from delivery.ejection.refusal import Refused


@dataclass(frozen=True)
class Updated:
    """What changed. conflicts: files with marked lines, for the user to solve. notes: in sentences."""

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]


def update(description: Description, parts: Parts, *, root: Path) -> Updated:
    """Bring the files in the repository that is described to this version, and keep the user's edits.

    root: this checkout. Raises Refused, and then nothing was changed.
    """
    repository = description.folder
    require_mergeable(repository)
    with committed(root) as checkout, TemporaryDirectory(prefix="nodrop-compiled-") as temporary:
        _require_known(repository, checkout)
        _require_no_links(repository)
        pinned = compiled(Path(temporary), description, checkout, parts)
        before = recorded(repository)
        merge(checkout, repository, known(description, parts, checkout, pinned))
        pinned.replace(repository, before)
        conflicts = paths(repository, "diff", "--name-only", "--relative", "--diff-filter=U")
        changed = paths(repository, "ls-files", "--modified", "--others", "--exclude-standard", "--deduplicate")
        return Updated(tuple(sorted({*changed})), tuple(conflicts), (*pinned.locked.notes, *left_out(checkout)))


def require_mergeable(repository: Path) -> None:
    """Raise Refused if there is nothing to update, or if an update could not be looked at and undone with git."""
    if not os.path.lexists(repository / ANSWERS):
        raise Refused(f"{repository} has no {ANSWERS}: write the files first with make eject APP={repository}")
    if not succeeds(repository, "rev-parse", "--verify", "HEAD"):
        raise Refused(
            f"{repository} has no commit of git, without which your edits can't be merged: run git init, git add --all "
            "and git commit there first"
        )
    if changes := git(repository, "status", "--short", "--", "."):
        raise Refused(
            f"{repository} has changes that are not committed:\n{changes}\n"
            "Commit or stash them, so that you can review and undo the update"
        )


def _require_no_links(repository: Path) -> None:
    """Raise Refused if a file that an update writes could be a link."""
    dockerfile = str(recorded(repository).get("dockerfile", "Dockerfile"))
    deploy = [str(each.relative_to(repository)) for each in (repository / DEPLOY).rglob("*")]
    others = (dockerfile, f"{dockerfile}.dockerignore", "Makefile", ".github/workflows/deploy.yml")
    require_own_files(repository, [*deploy, *others])


def _require_known(repository: Path, checkout: Checkout) -> None:
    commit = str(recorded(repository)["_commit"])
    if not checkout.has(commit):
        raise Refused(
            f"{repository / ANSWERS} was written by version {commit} of nodrop, which this checkout doesn't have: "
            "run git pull in the checkout (in a shallow one, git fetch --unshallow)"
        )
    if checkout.is_before(commit):
        raise Refused(
            f"{repository / ANSWERS} was written by version {commit} of nodrop, and this checkout is older: "
            "run git pull in it"
        )
