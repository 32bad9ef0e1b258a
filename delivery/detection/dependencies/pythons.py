"""The Python of the image, from what the repository says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import lock_files, projects, setup_files
from delivery.detection.description import Found, Problem, Undecided
from delivery.detection.reading import from_toml
from delivery.detection.repository import Repository

OFFERED = ("3.11", "3.12", "3.13", "3.14")
"""What nodrop runs on."""
MANY = 100
"""Patch releases of one version: `<3.12.4` allows 3.12."""


@dataclass(frozen=True)
class Said:
    """What one place says of the version."""

    versions: str
    """One version, or a range as PEP 440 or Poetry has it."""
    place: str
    exact: bool
    """It names the one to use, rather than those that are allowed."""


def choose(repository: Repository, configuration: Configuration, default: str) -> Found[str]:
    """The version that is named; else the default where it is allowed, else the newest that is.

    Raises Undecided where none of those that nodrop runs on is allowed, and where two places contradict.
    """
    if configuration.python is not None:
        return _named(Said(configuration.python, configuration.place, exact=True))
    said = [each for read in (_files, _pipfile, _ranges) for each in read(repository)]
    ranges = [each for each in said if not each.exact]
    exact = next((each for each in said if each.exact), None)
    if exact is not None:
        found = _named(exact)
        for each in ranges:
            if found.value not in allowed(each.versions):
                raise Undecided(
                    Problem(
                        f"{exact.place} says Python {exact.versions}, but {each.place} says {each.versions}",
                        "Make them agree, or set `python` in flask-app.toml",
                        line=f'python = "{_best(allowed(each.versions), default)}"',
                    )
                )
        return found
    possible = [version for version in OFFERED if all(version in allowed(each.versions) for each in ranges)]
    if not possible:
        raise Undecided(_unsupported(ranges))
    place = next((each.place for each in ranges), "default")
    return Found(_best(tuple(possible), default), place)


def _best(possible: tuple[str, ...], default: str) -> str:
    return default if default in possible or not possible else possible[-1]


def _named(said: Said) -> Found[str]:
    """Of 3.12.4, what counts is 3.12."""
    match = re.match(r"(?:[cC]?[pP]ython[-@ ]?)?v?(3(?:\.\d+)?)", said.versions.strip())
    version = match[1] if match else ""
    if version == "3":
        version = OFFERED[-2]
    if version not in OFFERED:
        raise Undecided(_unsupported([said]))
    return Found(version, said.place)


def _unsupported(said: list[Said]) -> Problem:
    what = " and ".join(f"{each.place} says {each.versions}" for each in said)
    newer = all(_newer(each.versions) for each in said)
    return Problem(
        f"{what}, but nodrop supports Python {OFFERED[0]} to {OFFERED[-1]} only",
        "Relax the constraint, or set `python` in flask-app.toml to try another version",
        line=f'python = "{OFFERED[-1] if newer else OFFERED[-2]}"',
    )


def _newer(versions: str) -> bool:
    match = re.search(r"3\.(\d+)", versions)
    return match is not None and int(match[1]) > int(OFFERED[-1].split(".")[1])


def allowed(versions: str) -> tuple[str, ...]:
    """Those of OFFERED that a range allows, in at least one of their patch releases. All, if it can't be read."""
    try:
        choices = [SpecifierSet(_pep440(part)) for part in re.split(r"\|\|?", versions)]
    except InvalidSpecifier:
        return OFFERED
    return tuple(
        version
        for version in OFFERED
        if any(f"{version}.{patch}" in choice for choice in choices for patch in range(MANY))
    )


def _pep440(part: str) -> str:
    """Poetry's `^3.11`, `~3.11` and `3.11` as PEP 440 writes them."""
    clauses = []
    for clause in re.split(r"\s*,\s*|\s+(?=[\^~<>=!])", part.strip()):
        match = re.fullmatch(r"(\^|~(?!=)|)\s*(\d+)(?:\.(\d+))?(?:\.\d+)*(?:\.\*)?", clause)
        if clause in ("", "*"):
            continue
        if match is None:
            clauses.append(clause)
        elif match[1] == "^":
            clauses.append(f">={clause.removeprefix('^').strip()},<{int(match[2]) + 1}")
        elif match[3] is None:
            clauses.append(f"=={match[2]}.*")
        else:
            clauses.append(f"=={match[2]}.{match[3]}.*")
    return ",".join(clauses)


def _files(repository: Repository) -> Iterator[Said]:
    """Files that name one version. Names of environments and of other implementations are no versions."""
    patterns: dict[str, Callable[[str], re.Match[str] | None]] = {
        ".python-version": re.compile(r"\s*((?:[cC]?[pP]ython-?)?3(?:\.\d+)*)\s*$").match,
        "runtime.txt": re.compile(r"\s*(python-?3[\w.]*)").match,
        ".tool-versions": re.compile(r"\s*python\s+(3[\w.]*)").match,
    }
    for name, match in patterns.items():
        for file in repository.named(name):
            for number, line in file.lines():
                found = match(line)
                if found:
                    yield Said(found[1], f"{name}:{number}", exact=True)
                    break


def _pipfile(repository: Repository) -> Iterator[Said]:
    for file in repository.named("Pipfile"):
        try:
            requires = from_toml(file.text()).get("requires", {})
        except ValueError as error:
            raise Undecided(Problem(f"Pipfile can't be read: {error}", "Correct it")) from None
        version = requires.get("python_version") or requires.get("python_full_version")
        if version and version != "*":
            yield Said(str(version), "Pipfile [requires]", exact=not re.search(r"[<>=~^]", str(version)))


def _ranges(repository: Repository) -> Iterator[Said]:
    project = projects.table(repository, "project", "requires-python")
    poetry = projects.table(repository, "tool", "poetry", "dependencies", "python")
    if project:
        yield Said(str(project), "pyproject.toml requires-python", exact=False)
    if poetry:
        yield Said(str(poetry), "pyproject.toml [tool.poetry.dependencies] python", exact=False)
    value = setup_files.cfg(repository).get("options", "python_requires", fallback="")
    if value:
        yield Said(value, "setup.cfg python_requires", exact=False)
    node = setup_files.Setup(repository).keyword("python_requires")
    if node is not None and isinstance(written := getattr(node, "value", None), str):
        yield Said(written, f"setup.py:{node.lineno}", exact=False)
    for name in ("uv.lock", "pylock.toml"):
        for _ in repository.named(name):
            limits = lock_files.read(repository, name).python
            if limits:
                yield Said(limits, f"{name} requires-python", exact=False)
