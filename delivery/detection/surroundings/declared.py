"""The names of the direct dependencies that a repository declares, read for what they tell of its surroundings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.detection.repository import Repository

DECLARING = (
    r"requirements(?:[-_.](?:prod|production|base|common|main|web|server))?\.(?:txt|in)"
    r"|requirements/(?:prod|production|base|common|main|web|default|requirements)\.(?:txt|in)"
    r"|pyproject\.toml|Pipfile|setup\.(?:py|cfg)|environment\.ya?ml"
)
"""Files of direct dependencies, but not those for development and tests."""
# All are possessive: the time that a line takes must not grow faster than the line.
_ENTRY = re.compile(
    r"\s*+[-\"']*+\s*+(?:(?:dependencies|install_requires)\s*+=\s*+\[\s*+)?[\"']?"
    r"(?P<name>[A-Za-z][\w.-]*+)(?:\[(?P<extras>[\w,\s-]+)\])?"
)

_HEADING = re.compile(r"\s*+\[++([^\[\]\"']++)\]++\s*+(?:#.*)?$")
_KEY = re.compile(r"\s*+(\w++)\s*+=")


def declared(repository: Repository) -> Iterator[tuple[str, str]]:
    """Each name in lower case with hyphens, and its place. An extra counts as one too: `redis` in celery[redis].

    Those of a package's own extras and of groups are choices, and don't count.
    """
    for file in repository.matching(DECLARING):
        counts = file.path.suffix not in (".toml", ".cfg")
        for number, line in file.lines():
            if heading := _HEADING.match(line):
                counts = heading[1] in ("project", "tool.poetry.dependencies", "packages", "options")
            if (key := _KEY.match(line)) and ("optional" in key[1] or key[1] in ("extras_require", "tests_require")):
                counts = False
            match = _ENTRY.match(line)
            if not counts or not match or line.lstrip().startswith("#"):
                continue
            place = f"{file.path}:{number}"
            yield match["name"].lower().replace("_", "-"), place
            yield from ((each.strip().lower(), place) for each in (match["extras"] or "").split(",") if each.strip())


def declares(repository: Repository, name: str) -> bool:
    """Whether something of this name is a direct dependency, or nothing is declared at all."""
    names = {each for each, _ in declared(repository)}
    return name in names or not names
