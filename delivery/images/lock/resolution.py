"""One resolution: requirements, constraints and overrides to versions."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from delivery.detection.dependencies.declarations import Line
from delivery.detection.description import Problem
from delivery.images.content import content, is_confidential
from delivery.images.errors import ImageError
from delivery.images.lock import indexes
from delivery.images.lock.errors import LockError
from delivery.images.lock.inputs import Inputs
from delivery.images.lock.uv import interpreter, run, target

UNVERSIONED = {
    "SETUPTOOLS_SCM_PRETEND_VERSION": "0",
    "PBR_VERSION": "0",
    "PDM_BUILD_SCM_VERSION": "0",
    "POETRY_DYNAMIC_VERSIONING_BYPASS": "0",
}
"""A copy without git has no version, and none is asked for."""


class Unsatisfiable(Exception):
    """uv finds no solution; the reason is the message."""


@dataclass(frozen=True)
class Package:
    """A package that was chosen."""

    name: str
    version: str
    table: dict[str, Any] = field(default_factory=dict, compare=False)
    """Of pylock.toml: wheels that fit the image, the source archive, vcs, directory."""

    @property
    def wheels(self) -> list[dict[str, Any]]:
        """Those that fit the image's Python and its processor."""
        return list(self.table.get("wheels", []))

    @property
    def indexed(self) -> bool:
        """It is from an index, so that its version says all."""
        return bool(self.version) and not {"vcs", "directory", "archive"} & set(self.table)


@dataclass
class Resolver:
    """Resolves in a folder of its own. variables: of the environment."""

    inputs: Inputs
    folder: Path
    variables: Mapping[str, str]
    refresh: bool = False
    local: dict[str, Path] = field(default_factory=dict)
    """Copies of what requirements name by a path: building metadata writes into a folder."""

    def __post_init__(self) -> None:
        self.variables = {**UNVERSIONED, **self.variables}
        # Otherwise uv takes the configuration of any folder above.
        self.write("uv.toml", [])
        lines = [*self.inputs.options]
        lines += [f"{self._copy(line)}{line.text}" if line.local else line.text for line in self.inputs.requirements]
        if self.inputs.itself:
            extras = f"[{','.join(self.inputs.extras)}]" if self.inputs.extras else ""
            lines.append(f"{self._copy(Line('', '', local='.'))}{extras}")
        self.write("application.in", lines)
        self.write("excludes.in", [self.inputs.name] if self.inputs.name and not self.inputs.itself else [])
        self.write("constraints.in", [each.text for each in self.inputs.constraints])

    def write(self, name: str, lines: list[str]) -> None:
        """A file for uv, which only this user can read: options may hold a password."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _copy(self, line: Line) -> str:
        """The path of a copy, relative to the folder."""
        source = (self.inputs.folder / line.local).resolve()
        name = source.name
        while name in self.local:
            name = f"{name}-again" if source.is_dir() else f"again-{name}"
        self.local[name] = source
        copy = self.folder / "local" / name
        if source.is_file():
            copy.parent.mkdir(exist_ok=True)
            shutil.copy2(source, copy)
        else:
            copy_files(source, copy)
        return f"./local/{name}"

    def compile(self, sources: list[str], *more: str, form: str = "pylock.toml", where: Sequence[str] = ()) -> str:
        """What uv writes. where: what it is for, if not for the image. Raises Unsatisfiable."""
        image = where or target(self.inputs.python)
        output = (f"--format={form}", "--no-emit-index-url", "--no-header")
        fresh = ("--refresh",) if self.refresh else ()
        arguments = [
            "pip",
            "compile",
            *sources,
            *image,
            *interpreter(),
            *output,
            "--excludes=excludes.in",
            *fresh,
            *more,
        ]
        done = run(
            arguments, self.folder, self.variables,
            addresses=self.inputs.addresses(), logins=self.inputs.logins,
        )  # fmt: skip
        if done.returncode:
            raise Unsatisfiable(indexes.without_passwords(_cause(done.stderr)))
        return done.stdout

    def compile_again(self, sources: list[str], *more: str) -> str:
        """The requirements file of what was resolved just before: from uv's cache, which saves asking each index."""
        try:
            return self.compile(sources, "--offline", *more, form="requirements.txt")
        except Unsatisfiable:
            return self.compile(sources, *more, form="requirements.txt")

    def packages(self, sources: list[str], *more: str, where: Sequence[str] = ()) -> dict[str, Package]:
        """What is chosen, by name. Raises Unsatisfiable."""
        tables = tomllib.loads(self.compile(sources, *more, where=where)).get("packages", [])
        chosen = [Package(canonicalize_name(each["name"]), each.get("version", ""), each) for each in tables]
        return {each.name: each for each in chosen if not self._is_itself(each)}

    def _is_itself(self, package: Package) -> bool:
        path = package.table.get("directory", {}).get("path", "")
        return self.inputs.itself and os.path.normpath(path) == f"local/{self.inputs.folder.resolve().name}"

    def ask(self, requirements: Sequence[str], *more: str, where: Sequence[str] = ()) -> dict[str, Package]:
        """The newest releases that meet requirements, whatever they depend on; without those that there are not."""
        self.write("asked.in", [*self.inputs.options, *requirements])
        try:
            return self.packages(["asked.in"], "--no-deps", *more, where=where)
        except Unsatisfiable:
            found: dict[str, Package] = {}
            for requirement in requirements if len(requirements) > 1 else ():
                found |= self.ask([requirement], *more, where=where)
            return found


def copy_files(source: Path, copy: Path) -> None:
    """The files of a folder that would be in an image: none that tools made, git ignores, or credentials are in.

    Raises LockError.
    """
    try:
        names = content(source).files
    except ImageError as error:
        cause, _, remedy = str(error).rpartition(". ")
        raise LockError(Problem(cause, remedy)) from error
    folders: list[str] = []
    for name in names:
        path = source / name
        aim = path.resolve()
        if aim.is_dir():
            folders.append(name)
        # A link could lead back to what is left out.
        elif aim.is_file() and not is_confidential(aim, os.path.relpath(aim, source.resolve())):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy / name)
    for name in folders:
        inner = os.path.relpath((source / name).resolve(), source.resolve())
        if (copy / inner).is_dir() and not Path(name).is_relative_to(inner):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).symlink_to(os.path.relpath(copy / inner, (copy / name).parent))
    copy.mkdir(parents=True, exist_ok=True)


def _cause(text: str) -> str:
    """uv's words on one line, from what went wrong on."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("warning:", "hint:"))]
    whole = " ".join(kept).removeprefix("error: ")
    return re.sub(r"^No solution found when resolving dependencies:?\s*(cause:|╰─▶)?\s*", "", whole)
