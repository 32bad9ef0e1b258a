"""The locked requirements, sorted by how pip has to be told of them.

What has hashes is installed with hashes required, which pip refuses for a file with a single line that has none. So
packages from git and from folders stand in a file of their own. Lines that name package indexes may hold passwords, and
go to the build as secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

INDEX = re.compile(r"(--index-url|-i|--extra-index-url|--find-links|-f|--trusted-host)(?:[ =])\s*(\S+)")
LONG = {"-i": "--index-url", "-f": "--find-links"}
LOCAL = re.compile(
    r"(?:(?:-e|--editable)\s+)?(?:[\w.\[\],-]+\s*@\s*)?"
    r"(?P<path>(?:file:|\.{1,2}(?=/|\[|$)|/)[^\s\[]*)(?:\[[^\]]*\])?"
)


@dataclass(frozen=True)
class Local:
    """A requirement that is a file or a folder."""

    path: Path
    """Absolute."""
    marker: str
    """What stands behind the semicolon, such as `python_version < "3.12"`; or empty."""


@dataclass
class Requirements:
    """The lines of a locked file."""

    hashed: list[str] = field(default_factory=list)
    """With their hashes, and with options that are no index."""
    unhashed: list[str] = field(default_factory=list)
    """From git, or from an address without a hash."""
    local: list[Local] = field(default_factory=list)
    """Without the repository itself."""
    indexes: list[tuple[str, str]] = field(default_factory=list)
    """Options of pip that name package indexes, in long form, each with its value."""

    def __add__(self, other: Requirements) -> Requirements:
        return Requirements(
            self.hashed + other.hashed, self.unhashed + other.unhashed, self.local + other.local,
            self.indexes + other.indexes,
        )  # fmt: skip


def sort(locked: Path, folder: Path) -> Requirements:
    """Sort the lines of `locked`, whose relative paths are relative to `folder`, the repository."""
    sorted_ = Requirements()
    for line in _logical_lines(locked.read_text(encoding="utf-8")):
        index = INDEX.fullmatch(line)
        local = _local(line, folder)
        if index:
            sorted_.indexes.append((LONG.get(index[1], index[1]), index[2]))
        elif local:
            if local.path != folder.resolve():
                sorted_.local.append(local)
        elif "--hash" in line or (line.startswith("-") and not line.startswith(("-e ", "--editable "))):
            sorted_.hashed.append(line)
        else:
            # Installed as any other: its source is not kept.
            sorted_.unhashed.append(re.sub(r"^(-e|--editable)\s+", "", line))
    return sorted_


def _logical_lines(text: str) -> list[str]:
    """The lines without comments, those that end with a backslash joined to the next."""
    lines = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in text.splitlines())
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [line.strip() for line in joined.splitlines() if line.strip()]


def _local(line: str, folder: Path) -> Local | None:
    requirement, _, marker = re.split(r"\s+--hash", line)[0].partition(";")
    matched = LOCAL.fullmatch(requirement.strip())
    if not matched:
        return None
    path = unquote(urlsplit(matched["path"]).path) if matched["path"].startswith("file:") else matched["path"]
    return Local((folder / path).resolve(), marker.strip())
