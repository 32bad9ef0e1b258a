"""From which folder the application is imported: the one that has to be first on Python's path.

A module's root is the folder that holds its outermost package. Packaging that says otherwise (src layouts) agrees with
that. Where a module imports its neighbours by their bare names (`import models` beside models.py), it is written to be
started in its own folder, whatever packages say: then that is its root.

The root of a repository that is itself a package, as `app/` with an `__init__.py` at its top, is its parent: `..`.
The image copies it to /srv/<its folder's name>, so that /srv/<its folder's name>/.. is first on the path there too.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import PurePosixPath

from delivery.detection.callables.code.modules import PARENT
from delivery.detection.repository import File, Repository

HERE = PurePosixPath(".")
_RELATIVE = re.compile(rb"^[ \t]*from[ \t]+\.", re.MULTILINE)


class Roots:
    """The roots of a repository's modules."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @cached_property
    def all(self) -> dict[PurePosixPath, list[File]]:
        """The Python files of each root; the repository's own root first, then those with the most files."""
        found: dict[PurePosixPath, list[File]] = {}
        for file in self._repository.files.values():
            if file.path.suffix == ".py":
                found.setdefault(self.of(file), []).append(file)
        order = sorted(found, key=lambda root: (root not in (HERE, PARENT), -len(found[root]), str(root)))
        return {root: found[root] for root in order}

    def of(self, file: File) -> PurePosixPath:
        """The root of one module, by where packages begin above it."""
        folder = file.path.parent
        while f"{folder}/__init__.py" in self._repository.files and folder.name.isidentifier():
            folder = folder.parent
        # A namespace package: a folder without __init__.py whose parent packaging names as a source folder.
        while folder.name.isidentifier() and str(folder.parent) in self._source_folders:
            folder = folder.parent
        return PARENT if folder == HERE and self.is_package else folder

    @cached_property
    def is_package(self) -> bool:
        """Whether the repository is itself a package: it has an __init__.py, and its modules are written as its own.

        Modules that import their neighbours by bare names are scripts, whatever else lies beside them.
        """
        repository = self._repository
        if "__init__.py" not in repository.files:
            return False
        tops = [path for path in repository.files.values() if len(path.path.parts) == 1 and path.path.suffix == ".py"]
        contents = [repository.content(file) for file in tops]
        packages = [PurePosixPath(path).parts[:-1] for path in repository.files if path.endswith("/__init__.py")]
        neighbours = {file.path.stem for file in tops} | {each[0] for each in packages if len(each) == 1}
        if _importing(neighbours - {"__init__"}, contents):
            return False
        return _importing({repository.folder.name}, contents) or any(_RELATIVE.search(each) for each in contents)

    @cached_property
    def _source_folders(self) -> set[str]:
        """The folders that packaging says packages lie in, other than the repository's own."""
        repository = self._repository
        found = {"src"} if any(path.startswith("src/") for path in repository.files) else set()
        tool = repository.pyproject.get("tool", {})
        setuptools = tool.get("setuptools", {}) if isinstance(tool, dict) else {}
        if isinstance(setuptools, dict):
            found |= {str(each) for each in (setuptools.get("package-dir") or {}).values()}
            packages = setuptools.get("packages")
            if isinstance(packages, dict):
                found |= {str(each) for each in packages.get("find", {}).get("where", [])}
        for file in repository.named("setup.py", "setup.cfg"):
            found |= set(re.findall(r"package_dir\s*=\s*\{\s*['\"]{2}\s*:\s*['\"]([\w./]+)['\"]", file.text()))
            found |= set(re.findall(r"package_dir\s*+=\s*+=\s*+([\w./]+)", file.text()))
            found |= set(re.findall(r"find_packages\(\s*(?:where\s*=\s*)?['\"]([\w./]+)['\"]", file.text()))
        return {each.strip("./") for each in found} - {""}


def _importing(names: set[str], contents: list[bytes]) -> bool:
    """Whether one of these modules imports one of these names."""
    listed = "|".join(re.escape(each) for each in sorted(names)) or "(?!)"
    pattern = re.compile(rf"^[ \t]*(?:from|import)[ \t]+(?:{listed})\b".encode(), re.MULTILINE)
    return any(pattern.search(each) for each in contents)
