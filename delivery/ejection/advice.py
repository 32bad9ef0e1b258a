"""What is left for the user to do when the files are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from delivery.detection.description import Description
from delivery.detection.reading import read_bytes
from delivery.ejection.checkout import Checkout
from delivery.ejection.git import git, paths, succeeds
from delivery.images.content import is_confidential

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
TARGETS = {"help", "image", "run", "push", "secret", "deploy", "lock"}
"""Of deploy/nodrop.mk."""


def advice(description: Description, files: list[str], checkout: Checkout, pip_conf: str) -> Iterator[str]:
    """Sentences, for the user."""
    repository = description.folder
    theirs = makefile(repository)
    if theirs and theirs.name not in files:
        text = read_bytes(theirs).decode(errors="replace")
        if "deploy/nodrop.mk" not in text:
            yield f"{theirs.name} is yours and was not edited. To include the targets, add:\n{_include(text)}"
    if (above := top(repository)) != repository:
        yield (
            f"No workflow was written: GitHub runs only those at the root of a repository. In a workflow in {above}, "
            f"run make --directory {repository.relative_to(above)} --file deploy/nodrop.mk image push deploy."
        )
    if ignored := _ignored(repository, files):
        yield f"git ignores {', '.join(ignored)}. Add exceptions to .gitignore, so that they can be committed."
    # Not written down, since it may hold passwords.
    if "extra-index-url" in pip_conf or "find-links" in pip_conf:
        yield "Some packages are from other indexes. Name a pip.conf that has them for the build: PIP_CONF=<path>."
    yield from left_out(checkout)


def left_out(checkout: Checkout) -> Iterator[str]:
    """What a developer of nodrop should know."""
    if checkout.left_out:
        yield f"The last commit of nodrop was used, without your uncommitted changes to {', '.join(checkout.left_out)}."


def makefile(repository: Path) -> Path | None:
    """The Makefile that make reads there."""
    return next((repository / name for name in MAKEFILES if (repository / name).is_file()), None)


def top(repository: Path) -> Path:
    """The top of its git repository; itself, if it is in none."""
    if succeeds(repository, "rev-parse", "--show-toplevel"):
        return Path(git(repository, "rev-parse", "--show-toplevel"))
    return repository


def _include(text: str) -> str:
    """The lines that include the targets, under other names if the Makefile has some of the same names."""
    theirs = {name for names in re.findall(r"^([\w. -]+?)\s*:(?!:*=)", text, re.MULTILINE) for name in names.split()}
    return ("  NODROP := nodrop-\n" if theirs & TARGETS else "") + "  include deploy/nodrop.mk"


def _ignored(repository: Path, files: list[str]) -> list[str]:
    if not succeeds(repository, "rev-parse", "--git-dir"):
        return []
    found = paths(repository, "ls-files", "--others", "--ignored", "--exclude-standard", "--", *files)
    # Nobody is told to commit credentials.
    return [each for each in found if not is_confidential(repository / each, each)]
