"""What is to be locked: from what the repository declares, or from its own lock file."""

from __future__ import annotations

import hashlib
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from delivery.checkout import ROOT
from delivery.detection.dependencies import find, lock_files, projects
from delivery.detection.dependencies.declarations import Line
from delivery.detection.description import Description, Problem, Undecided
from delivery.detection.repository import Repository
from delivery.images.errors import ImageError
from delivery.images.indexes import Login, named_by_user, take_login
from delivery.images.lock import indexes
from delivery.images.lock.errors import LockError
from delivery.images.lock.uv import interpreter, run

"""This checkout."""


@dataclass
class Inputs:
    """All that decides what a lock has in it."""

    folder: Path
    python: str
    requirements: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)
    overrides: list[Line] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    """With passwords."""
    hashes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of name==version, where the repository says which files may be installed."""
    lock: str = ""
    """The lock file of the repository."""
    itself: bool = False
    """Only the repository's build backend tells what the repository depends on."""
    extras: tuple[str, ...] = ()
    logins: tuple[Login, ...] = ()
    """Those of the requirements' addresses, which no longer have them."""
    name: str = ""
    """The repository's own package, which no index may replace, though another package asks for it."""

    def place_of(self, name: str) -> str:
        """Where a package is asked for; empty if only other packages ask for it."""
        return next((each.place for each in self.requirements if each.name == name), "")

    def addresses(self) -> str:
        """All texts that addresses of packages and of indexes are in."""
        lines = (*self.requirements, *self.constraints, *self.overrides)
        return "\n".join([*self.options, *(each.text for each in lines)])

    def identity(self) -> Iterable[str]:
        """All of it in text, without passwords."""
        yield from (self.python, self.lock, self.name, *self.extras, *map(indexes.without_passwords, self.options))
        for lines in (self.requirements, self.constraints, self.overrides):
            yield from (f"{each.text} {each.local} {each.hashes}" for each in lines)
            yield "-"
        for line in self.requirements:
            if line.local:
                yield _content(self.folder / line.local)
        if self.itself:
            yield from (_content(self.folder / name) for name in _metadata(Repository(self.folder)))


def gather(description: Description, variables: Mapping[str, str]) -> Inputs:
    """Read what is to be locked. Raises LockError, and Undecided where a file can't be read."""
    dependencies = description.dependencies
    repository = Repository(description.folder)
    python = dependencies.python.value
    declared = find.read(repository, dependencies.files, dependencies.extras, dependencies.groups)
    options = [indexes.expand(option, description.folder, variables) for option in declared.options]
    found = Inputs(
        description.folder, python, declared.requirements, declared.constraints, declared.overrides, options,
        itself=bool(declared.dynamic), extras=dependencies.extras, name=projects.project_name(repository),
    )  # fmt: skip
    found.lock = next((name for name in dependencies.files if PurePosixPath(name).name in lock_files.FILES), "")
    if found.lock:
        _take_pins(found, _pins(description, repository, found.lock, variables), dependencies.extras)
    _take_logins(found, variables)
    for line in (*found.requirements, *found.constraints):
        if line.hashes:
            found.hashes[key_of(line.text)] = line.hashes
    return found


def _pins(description: Description, repository: Repository, lock: str, variables: Mapping[str, str]) -> lock_files.Pins:
    if PurePosixPath(lock).name != "uv.lock":
        return lock_files.read(repository, lock, description.dependencies.groups)
    project = (description.folder / lock).parent
    wanted = ["--no-default-groups", "--no-emit-project", "--format=pylock.toml", *interpreter()]
    wanted += [f"--extra={each}" for each in description.dependencies.extras]
    wanted += [f"--group={each}" for each in description.dependencies.groups]
    with tempfile.TemporaryDirectory() as folder:
        # uv reads the project and writes nothing there.
        done = run(["export", "--no-config", "--frozen", *wanted], project, variables)
        if done.returncode:
            raise LockError(
                Problem(
                    f"{lock} can't be read by uv: {indexes.without_passwords(_reason(done.stderr))}",
                    "Run `uv lock` in the repository and commit uv.lock",
                )
            )
        (Path(folder) / "pylock.toml").write_text(done.stdout)
        return lock_files.read(Repository(Path(folder)), "pylock.toml")


def _reason(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip()).removeprefix("error: ")


def _take_pins(found: Inputs, pins: lock_files.Pins, extras: tuple[str, ...]) -> None:
    """A complete lock is what is asked for; any other limits what is resolved."""
    fitting = [each for each in pins.packages if each.fits(found.python, extras)]
    lines = {each.name: each.line(found.lock) for each in fitting}
    found.options += [f"--extra-index-url {address}" for address in pins.indexes]
    if pins.complete or not found.requirements:
        found.requirements, found.itself = list(lines.values()), False
        return
    elsewhere = {each.name for each in fitting if each.address}
    found.requirements = [lines[each.name] if each.name in elsewhere else each for each in found.requirements]
    found.constraints += [lines[each.name] for each in fitting if not each.address and not each.local]


def _take_logins(found: Inputs, variables: Mapping[str, str]) -> None:
    """Take users and passwords out of the requirements' addresses, so that no lock gets them. Raises LockError."""
    for lines in (found.requirements, found.constraints, found.overrides):
        for number, line in enumerate(lines):
            try:
                text, logins, _ = take_login(line.text, variables, named_by_user(variables))
            except ImageError as error:
                raise LockError(Problem(f"{line.place}: {error}", "Or give the login in ~/.netrc")) from error
            lines[number] = replace(line, text=text)
            found.logins += tuple(each for each in logins if each not in found.logins)


def key_of(requirement: str) -> str:
    """name==version of a pinned requirement, without extras, markers and hashes."""
    match = re.match(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;]+)", requirement)
    return f"{canonicalize_name(match[1])}=={match[2]}" if match else requirement


def nodrop() -> list[str]:
    """What nodrop itself requires, as its pyproject.toml says. A reason for a new lock when it changes."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(data["project"]["dependencies"])


def _metadata(repository: Repository) -> list[str]:
    """The files that a build backend computes dependencies from."""
    kinds = (".txt", ".in", ".toml", ".cfg")
    return [
        name
        for name, file in sorted(repository.files.items())
        if not file.beside and (name.endswith(kinds) or file.path.name in ("setup.py", "VERSION"))
    ]


def _content(path: Path) -> str:
    """A digest of a file, or of all files in a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        raise Undecided(Problem(f"{path} doesn't exist", "Add it, or remove what refers to it"))
    whole = hashlib.sha256()
    for name, file in sorted(Repository(path).files.items()):
        whole.update(name.encode() + b"\0" + hashlib.sha256(file.full.read_bytes()).digest())
    return whole.hexdigest()
