"""Files written into a repository that may have brought links: nothing outside of it is ever written or replaced."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path


class Linked(Exception):
    """A file would be written through a link of the repository."""


def require_own(folder: Path, name: str) -> None:
    """Raise Linked if the file of this name in `folder`, or a folder above it in there, is a link."""
    path = folder
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            raise Linked(
                f"{path} is a link, through which another file would be written: replace it with what it leads to"
            )


def write_text(folder: Path, name: str, text: str) -> Path:
    """Write a file of a folder, complete or not at all, and say where. Raises Linked."""
    return _put(folder, name, lambda new: new.write_text(text, encoding="utf-8"))


def copy(source: Path, folder: Path, name: str) -> Path:
    """Copy a file, with its mode, to this name in a folder, complete or not at all. Raises Linked."""
    return _put(folder, name, lambda new: shutil.copy2(source, new, follow_symlinks=False))


def copy_all(source: Path, folder: Path, below: str = "") -> None:
    """Copy all files of a folder to the same names in another, or below a folder in there. Raises Linked."""
    for each in sorted(source.rglob("*")):
        if each.is_symlink() or not each.is_dir():
            copy(each, folder, str(Path(below) / each.relative_to(source)))


def _put(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    require_own(folder, name)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name that nobody can have put a link at.
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path
