"""The lines of the ejected .dockerignore that the repository decides: its own .dockerignore, and what git ignores.

A developer's build then sends what a build of a fresh clone sends. Files that git tracks are sent although a pattern of
.gitignore fits them, and so is what the Dockerfile copies from deploy/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from delivery.detection.description import Description
from delivery.detection.reading import read_bytes
from delivery.ejection.git import paths, succeeds
from delivery.images.content import CREDENTIALS, content
from delivery.images.context import of_the_package

COPIED = ("deploy/*.whl", "deploy/requirements.txt", "deploy/requirements-unhashed.txt", "deploy/local")
"""What the Dockerfile copies."""


def ignored(description: Description) -> list[str]:
    """The lines, in their order: a later one takes precedence."""
    folder = description.folder
    lines = [*_from_git(folder), *_own(folder)]
    if lines:
        lines += [f"!{_literal(name)}" for name in of_the_package(description)]
    return [*lines, *(f"!{name}" for name in COPIED)] if lines else []


def public(folder: Path) -> list[str]:
    """Lines for files whose names are those of keys, and that are none: certificates, for example."""
    patterns = [pattern for pattern in CREDENTIALS if pattern.startswith("*")]
    names = [name for name in content(folder).files if any(fnmatch(Path(name).name, pattern) for pattern in patterns)]
    return [f"!{_literal(name)}" for name in names if name.isprintable()]


def _lines(file: Path) -> list[str]:
    """Of a file of the repository; none if it is a link or can't be read."""
    try:
        return [] if file.is_symlink() else read_bytes(file).decode("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return []


def _own(folder: Path) -> Iterator[str]:
    yield from (line.strip() for line in _lines(folder / ".dockerignore") if line.strip() and not line.startswith("#"))


def _from_git(folder: Path) -> Iterator[str]:
    yield from (moved for line in _lines(folder / ".gitignore") if (moved := pattern_of_docker(line)))
    if not succeeds(folder, "rev-parse", "--git-dir"):
        return
    tracked = paths(folder, "ls-files", "--cached", "--ignored", "--exclude-standard")
    yield from (f"!{_literal(name)}" for name in tracked if name.isprintable())


def pattern_of_docker(line: str) -> str:
    """A line of .gitignore as .dockerignore has it; empty for a comment, and for a pattern that Docker refuses."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return ""
    excepted = text.startswith("!")
    pattern = text.removeprefix("!").replace("[!", "[^")
    if pattern.count("[") != pattern.count("]") or pattern.endswith("\\") or not pattern.strip("/"):
        return ""
    # Without a slash in front or within, git means a name in any folder.
    anywhere = "" if "/" in pattern.rstrip("/") else "**/"
    return f"{'!' if excepted else ''}{anywhere}{pattern.strip('/')}"


def _literal(name: str) -> str:
    """A pattern for exactly this path."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", name)
