"""The files of a repository that can say something about its application.

Left out are what other tools make or fetch (environments, packages of Node, build results), hidden folders, and what
shows or tests the application instead of being it: its tests, examples and documentation.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from delivery.detection.reading import LONGEST_LINE, from_toml, read_bytes

MADE = {
    "node_modules",
    "bower_components",
    "build",
    "dist",
    "venv",
    "env",
    "virtualenv",
    "site-packages",
    "__pycache__",
}
"""Folders whose content is made by tools. An environment of any other name has a pyvenv.cfg."""
BESIDE = {
    "test", "tests", "testing", "functional_tests", "example", "examples", "sample", "samples", "demo", "demos", "doc",
    "docs", "documentation", "contrib", "benchmark", "benchmarks", "fixtures", "alembic", "migrations", "cookbook",
    "tutorial", "tutorials",
}  # fmt: skip
"""Folders beside the application. What lies in them counts only where nothing else is found."""
MOST_FILES = 20_000


class TooLarge(Exception):
    """The folder has more files than any application: it is likely not one."""


@dataclass(frozen=True)
class File:
    """A file of the repository. path: relative to the repository, with slashes."""

    path: PurePosixPath
    full: Path
    beside: bool
    """It lies in a folder of tests, examples or documentation, or is a test itself."""
    unreadable: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Of the repository: gets the reason if the file can't be read."""

    def content(self) -> bytes:
        """Its bytes; none, and a note in `unreadable`, if it is larger than LARGEST_BYTES or can't be read."""
        try:
            return read_bytes(self.full)
        except OSError as error:
            self.unreadable[str(self.path)] = str(error.strerror)
            return b""

    def text(self) -> str:
        """Its content; bytes that are no UTF-8 are replaced."""
        text = self.content().decode("utf-8", errors="replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Its lines, numbered from 1. Of a line, LONGEST_LINE characters."""
        yield from ((number, line[:LONGEST_LINE]) for number, line in enumerate(self.text().splitlines(), 1))


@dataclass
class Repository:
    """A folder, read once. folder: absolute."""

    folder: Path
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files that could not be read or parsed, and why."""
    _contents: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)
    _trees: dict[str, ast.Module | None] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def files(self) -> dict[str, File]:
        """All files that count, by their path. Raises TooLarge."""
        found: dict[str, File] = {}
        for parent, folders, names in os.walk(self.folder):
            here = Path(parent)
            folders[:] = sorted(each for each in folders if not self._is_made(here / each))
            for name in sorted(names):
                full = here / name
                path = PurePosixPath(full.relative_to(self.folder).as_posix())
                if not self._is_readable(full):
                    continue
                found[str(path)] = File(path, full, _is_beside(path), self.unreadable)
                if len(found) > MOST_FILES:
                    raise TooLarge(f"{self.folder} has more than {MOST_FILES} files")
        return found

    @staticmethod
    def _is_made(folder: Path) -> bool:
        name = folder.name
        return (
            name in MADE
            or name.startswith(".")
            or name.endswith((".egg-info", ".dist-info"))
            or (folder / "pyvenv.cfg").exists()
        )

    def _is_readable(self, file: Path) -> bool:
        """Whether it is a file of this folder: no pipe, which nobody writes to, and no link that leads out of it."""
        return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(self.folder.resolve()))

    @cached_property
    def top(self) -> Path:
        """The folder that it must not lead out of: the top of git's work tree, or its own folder without git."""
        folder = self.folder.resolve()
        return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)

    def has(self, path: Path) -> bool:
        """Whether a path, with its links followed, stays in the repository, or in the work tree that it is part of."""
        return path.resolve().is_relative_to(self.top)

    def named(self, *names: str) -> list[File]:
        """The files of these names that lie in the repository's own folder, in this order."""
        return [self.files[name] for name in names if name in self.files]

    def matching(self, pattern: str, *, beside: bool = False) -> list[File]:
        """The files whose path matches, the shortest path first. beside: those of tests and examples too."""
        expression = re.compile(pattern)
        found = [
            each for path, each in self.files.items() if expression.fullmatch(path) and (beside or not each.beside)
        ]
        return sorted(found, key=lambda each: (len(each.path.parts), str(each.path)))

    @cached_property
    def pyproject(self) -> dict[str, object]:
        """pyproject.toml; empty where there is none, or none that can be read."""
        for file in self.named("pyproject.toml"):
            try:
                return from_toml(file.text())
            except ValueError as error:
                self.unreadable["pyproject.toml"] = str(error)
        return {}

    def content(self, file: File) -> bytes:
        """What is in a file, read once; empty if it is larger than LARGEST_BYTES or can't be read."""
        path = str(file.path)
        if path not in self._contents:
            self._contents[path] = file.content()
        return self._contents[path]

    def parse(self, file: File) -> ast.Module | None:
        """The syntax tree of a Python file; None, and a note in `unreadable`, if it has none.

        It is parsed once, however many parts ask for it: parsing is most of the time that a repository takes.
        """
        path = str(file.path)
        if path not in self._trees:
            self._trees[path] = self._parsed(file)
        return self._trees[path]

    def _parsed(self, file: File) -> ast.Module | None:
        try:
            with warnings.catch_warnings():
                # Of the strings in it, such as invalid escapes.
                warnings.simplefilter("ignore")
                return ast.parse(self.content(file), filename=str(file.path))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.unreadable[str(file.path)] = str(error)
            return None


def _is_beside(path: PurePosixPath) -> bool:
    folders = {each.lower() for each in path.parts[:-1]}
    name = path.name.lower()
    return bool(folders & BESIDE) or name.startswith(("test_", "conftest.")) or name.endswith("_test.py")
