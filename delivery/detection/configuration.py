"""What a repository says itself: flask-app.toml, or the table [tool.flask-app] of its pyproject.toml.

Each key takes precedence over what is detected. An unknown key, a value of the wrong type and both places at once are
refused, with the line to write.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

from delivery.detection.description import Problem, Undecided
from delivery.detection.keys import KEYS, Wrong
from delivery.detection.reading import from_toml
from delivery.detection.repository import File, Repository

FILE = "flask-app.toml"
TABLE = "pyproject.toml [tool.flask-app]"


@dataclass(frozen=True)
class Job:
    """A command that runs on a schedule."""

    schedule: str
    """In cron's syntax."""
    command: str


@dataclass(frozen=True)
class Configuration:
    """The keys that are set. None: not set, so that it is detected; an empty value is set to nothing."""

    place: str = "flask-app.toml"
    """Where they are set."""
    name: str | None = None
    serve: str | None = None
    root: str | None = None
    python: str | None = None
    requirements: tuple[str, ...] | None = None
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    apt: tuple[str, ...] | None = None
    apt_build: tuple[str, ...] | None = None
    build: tuple[str, ...] | None = None
    assets: str | bool | None = None
    migrate: str | bool | None = None
    health: str | bool | None = None
    writable: tuple[str, ...] | None = None
    scratch: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    workers: dict[str, str] | None = None
    jobs: dict[str, Job] | None = None


def read(repository: Repository) -> Configuration:
    """The repository's configuration; nothing set if it has none. Raises Undecided with everything wrong in it."""
    files = repository.named(FILE)
    tool = repository.pyproject.get("tool")
    table = tool.get("flask-app") if isinstance(tool, dict) else None
    if files and table is not None:
        raise Undecided(Problem(f"{FILE} and {TABLE} both exist", "move the keys of one into the other, and delete it"))
    if files:
        return _checked(repository, _parsed(files[0]), FILE, files[0].text(), "")
    if table is not None:
        [file] = repository.named("pyproject.toml")
        if not isinstance(table, dict):
            raise Undecided(
                Problem("pyproject.toml: tool.flask-app is not a table", "write [tool.flask-app] and the keys below it")
            )
        return _checked(repository, table, TABLE, file.text(), "tool.flask-app")
    _require_readable(repository)
    return Configuration()


def _parsed(file: File) -> dict[str, Any]:
    try:
        return from_toml(file.text())
    except ValueError as error:
        raise Undecided(Problem(f"{FILE} isn't valid TOML: {error}", "correct that line")) from error


def _require_readable(repository: Repository) -> None:
    """Raise Undecided if a table in a pyproject.toml that can't be read would be ignored."""
    error = repository.unreadable.get("pyproject.toml")
    if error and "tool.flask-app" in repository.named("pyproject.toml")[0].text():
        raise Undecided(Problem(f"pyproject.toml isn't valid TOML: {error}", "correct that line"))


def _checked(repository: Repository, table: dict[str, Any], place: str, text: str, prefix: str) -> Configuration:
    """The configuration in a table whose own name in the text is `prefix`."""
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    file = place.split(" ", maxsplit=1)[0]
    for key, value in table.items():
        line = line_of(text, prefix, key)
        if key not in KEYS:
            problems.append(_unknown(key, _place(file, line)))
            continue
        try:
            values[key.replace("-", "_")] = KEYS[key].read(value, repository)
        except Wrong as wrong:
            for each in wrong.found:
                inner = each.inner and line_of(text, f"{prefix}.{key}".lstrip("."), each.inner)
                cause = f"{_place(file, inner or line)}: {each.cause}"
                problems.append(Problem(cause, each.remedy, line=KEYS[key].example))
    shared = set(values.get("workers", ())) & set(values.get("jobs", ()))
    problems += [
        Problem(f"{place}: a worker and a job are both named {each}", "rename one of them") for each in sorted(shared)
    ]
    if problems:
        raise Undecided(*problems)
    if "jobs" in values:
        values["jobs"] = {name: Job(**each) for name, each in values["jobs"].items()}
    return Configuration(place=place, **values)


def _place(file: str, line: int) -> str:
    return f"{file}:{line}" if line else file


def _unknown(key: str, where: str) -> Problem:
    near = difflib.get_close_matches(key.replace("_", "-").lower(), KEYS, n=1, cutoff=0.5)
    if near:
        return Problem(f"{where}: unknown key {key!r}", f"write {near[0]!r}", line=KEYS[near[0]].example)
    return Problem(f"{where}: unknown key {key!r}", f"delete it. The keys are {', '.join(KEYS)}")


def line_of(text: str, table: str, key: str) -> int:
    """The line, from 1, on which a key of a table, or the table of this name in it, begins; 0 if it isn't found.

    tomllib doesn't tell lines. A key within the text of a multi-line string could be taken for it, which misleads no
    more than a line number can.
    """
    name = rf"[\"']?{re.escape(key)}[\"']?"
    within = "" if not table else re.escape(table) + r"\s*\.\s*"
    heading = re.compile(rf"\s*\[+\s*{within}{name}\s*[\].]")
    here, assignment = "", re.compile(rf"\s*{name}\s*[.=]")
    for number, line in enumerate(text.splitlines(), 1):
        if heading.match(line):
            return number
        if found := re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line):
            here = found[1]
        elif here == table and assignment.match(line):
            return number
    return 0
