"""Puts together what the files of a repository say about its dependencies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeVar

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import (
    contradictions,
    lock_files,
    projects,
    pythons,
    requirement_files,
    setup_files,
    styles,
    system_packages,
    workspaces,
)
from delivery.detection.dependencies.declarations import Declarations
from delivery.detection.description import Dependencies, Found, Problem, Style, Undecided
from delivery.detection.repository import Repository

T = TypeVar("T")


def find_dependencies(repository: Repository, configuration: Configuration, default_python: str) -> Dependencies:
    """What must be installed, and with which Python. Raises Undecided, with all that stands against it."""
    problems: list[Problem] = []
    chosen = _tried(problems, lambda: styles.choose(repository, configuration))
    python = _tried(problems, lambda: pythons.choose(repository, configuration, default_python))
    extras, groups = configuration.extras or (), configuration.groups or ()
    declared = pins = None
    if chosen is not None:
        declared = _tried(problems, lambda: read(repository, chosen.files, extras, groups))
        pins = _tried(problems, lambda: locked(repository, chosen.files, groups))
    if "pyproject.toml" in repository.unreadable:
        reason = repository.unreadable["pyproject.toml"]
        problems.append(Problem(f"pyproject.toml can't be read: {reason}", "Correct it"))
    if problems or chosen is None or python is None or declared is None:
        raise Undecided(*problems)
    notes = [*chosen.notes, *declared.notes]
    if pins is not None:
        notes += _disagreements(repository, chosen.files[0], pins, declared, python.value)
    elif chosen.files[:1] == (styles.LOCKED,):
        notes += _since_kept(repository, declared, python.value)
    if chosen.files == (projects.FILE,):
        notes += filter(None, [workspaces.lock_note(repository.folder, projects.project_name(repository))])
    apt, apt_build = _system(configuration, declared, pins, python.value)
    return Dependencies(
        style=chosen.style,
        files=chosen.files,
        place=chosen.place,
        python=python,
        is_package=_is_package(repository),
        extras=extras,
        groups=groups,
        apt=apt,
        apt_build=apt_build,
        notes=tuple(notes),
    )


def _tried(problems: list[Problem], read: Callable[[], T]) -> T | None:
    """What can be read; None, and its problems with the others, if it can't."""
    try:
        return read()
    except Undecided as undecided:
        problems += [each for each in undecided.problems if each not in problems]
        return None


def read(
    repository: Repository, files: tuple[str, ...], extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> Declarations:
    """What the files declare; of a lock file, what the project beside it declares. Raises Undecided."""
    found = Declarations()
    done: set[str] = set()
    for name in files:
        kind = PurePosixPath(name).name
        if kind in lock_files.FILES:
            kind = "pyproject.toml" if projects.declares(repository) and kind != "Pipfile.lock" else ""
        kind = "setup" if kind in ("setup.py", "setup.cfg") else kind
        if kind in done or not kind:
            continue
        done.add(kind)
        if kind == "pyproject.toml":
            found.add(projects.read(repository, extras, groups))
        elif kind == "setup":
            found.add(setup_files.read(repository, extras))
        else:
            done.remove(kind)
            found.add(requirement_files.read(repository, name))
    if len(files) > 1 and found.requirements:
        # A requirements file is what the project computes them from, or stands for it.
        found.dynamic = ""
    for line in (*found.requirements, *found.constraints, *found.overrides):
        _require_inside(repository, line.local, line.place)
    return _with_itself(repository, found)


def _require_inside(repository: Repository, path: str, place: str) -> None:
    """Raise Undecided for a folder or an archive that is not the repository's, which would get into the image."""
    if path and not repository.has(repository.folder / path):
        raise Undecided(
            Problem(
                f"{place} names {path}, which is outside of the repository",
                "Copy it into the repository, or refer to it by git+https://...@commit",
            )
        )


def _with_itself(repository: Repository, found: Declarations) -> Declarations:
    """`-e .` stands for what the package declares; the package itself is installed with the application."""
    name = projects.project_name(repository)
    itself = [each for each in found.requirements if each.local == "." or (name and each.name == name)]
    found.requirements = [each for each in found.requirements if each not in itself]
    for each in itself:
        if each.local != ".":
            continue
        if not _is_package(repository):
            raise Undecided(
                Problem(
                    f"{each.place} installs the repository, which isn't a package",
                    "Remove the line, or add a pyproject.toml with [project] and [build-system]",
                )
            )
        extras = tuple(extra.strip() for extra in each.text.strip("[]").split(",") if extra.strip())
        inner = projects.read(repository, extras) if projects.declares(repository) else None
        found.add(inner or setup_files.read(repository, extras))
        found.requirements = [line for line in found.requirements if line.local != "." and line.name != name]
    return found


def locked(repository: Repository, files: tuple[str, ...], groups: tuple[str, ...]) -> lock_files.Pins | None:
    """What the lock file among the files pins; None where there is none. Raises Undecided."""
    for name in files:
        if PurePosixPath(name).name in lock_files.FILES:
            pins = lock_files.read(repository, name, groups)
            for pin in pins.packages:
                _require_inside(repository, pin.local, name)
            return pins
    return None


def _disagreements(
    repository: Repository, lock: str, pins: lock_files.Pins, declared: Declarations, python: str
) -> list[str]:
    notes = []
    if declared.requirements:
        notes += contradictions.between(repository, lock, pins, declared, python)
    for name in styles.REQUIREMENTS:
        if name in repository.files:
            # It does not count, so it may be wrong.
            with contextlib.suppress(Undecided):
                notes += contradictions.other_files(lock, pins, requirement_files.read(repository, name))
            break
    return notes


def _since_kept(repository: Repository, kept: Declarations, python: str) -> list[str]:
    """What has changed in the requirements since their lock was kept in the repository."""
    pins = lock_files.Pins(
        [lock_files.Pin(each.name, each.text.partition("==")[2].strip()) for each in kept.requirements]
    )
    for name in styles.REQUIREMENTS:
        if name in repository.files:
            return contradictions.between(
                repository, styles.LOCKED, pins, requirement_files.read(repository, name), python
            )
    return []


def _is_package(repository: Repository) -> bool:
    """It can be built: it has a build system, or a setup.py that calls setup()."""
    if projects.table(repository, "tool", "poetry", "package-mode") is False:
        return False
    if projects.table(repository, "tool", "uv", "package") is False:
        return False
    configured = bool(projects.table(repository, "build-system"))
    if configured and (projects.declares(repository) or setup_files.cfg(repository).has_section("metadata")):
        return True
    return setup_files.Setup(repository).call is not None


def _system(
    configuration: Configuration, declared: Declarations, pins: lock_files.Pins | None, python: str
) -> tuple[tuple[Found[str], ...], tuple[Found[str], ...]]:
    """Debian's packages: those that flask-app.toml lists, or those that are known to be needed."""
    lines = [each for each in declared.requirements if each.concerns(python)]
    names = [Found(each.name, each.place) for each in lines if each.name]
    if pins is not None and pins.complete:
        names += [Found(each.name, "lock file") for each in pins.packages if each.fits(python)]
    apt, apt_build = system_packages.needed(names)
    clones = next((each.place for each in declared.requirements if "git+" in each.text), None)
    if clones:
        apt_build = (*apt_build, Found("git", clones))
    place = configuration.place
    if configuration.apt is not None:
        apt = tuple(Found(name, place) for name in configuration.apt)
    if configuration.apt_build is not None:
        apt_build = tuple(Found(name, place) for name in configuration.apt_build)
    return apt, apt_build


__all__ = ["Style", "find_dependencies", "locked", "read"]
