"""The files that start the application in production, and what each of them tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.detection.repository import File, Repository

PATTERNS: tuple[tuple[str, int], ...] = (
    (r"Procfile(\.\w+)?", 100),
    (r"(.*/)?((Docker|Container)file([.-][\w.-]+)?|[\w.-]*\.?[Dd]ockerfile)", 100),
    (r"(.*/)?(docker-)?compose[\w.-]*\.ya?ml", 100),
    (r"(.*/)?(app|render|heroku|apprunner|serverless|fly|railway|nixpacks)\.(ya?ml|toml|json)", 100),
    (r"(.*/)?[\w.@-]+\.service(\.\w+)?", 100),
    (r"(.*/)?(supervisord?|uwsgi)[\w.-]*\.(conf|ini)", 100),
    (r"(.*/)?[\w.-]*uwsgi[\w.-]*\.(ini|ya?ml|xml)|(.*/)?uwsgi", 100),
    (r"(.*/)?[\w.-]*(entrypoint|start|run|serve|server|gunicorn|boot|launch)[\w.-]*\.sh|(.*/)?startup\.txt", 90),
    (r"(.*/)?(k8s|kubernetes|deploy|deployment|helm|charts?|manifests)/.*\.ya?ml", 90),
    (r"(.*/)?[\w.-]+\.wsgi", 80),
    (r"\.flaskenv|\.env(\.\w+)?|\w+\.env", 80),
    (r"Makefile|justfile|tox\.ini|noxfile\.py", 50),
    (r"(.*/)?(README|INSTALL|DEPLOY)[\w.]*", 60),
)
"""Which files, and how much they tell about production, from 0 to 100."""


@dataclass(frozen=True)
class Source:
    """A file that starts something. weight: how much it tells about production, from 0 to 100."""

    file: File
    weight: int

    @property
    def lines(self) -> Iterator[tuple[int, str]]:
        """Its commands and settings with their first lines, comments left out: each as one line."""
        is_yaml = self.file.path.suffix in (".yml", ".yaml")
        for number, text in _listed(_joined(self.file)) if is_yaml else _joined(self.file):
            if not re.match(r"\s*(#|;|//)", text):
                yield number, re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", text.strip())


def sources(repository: Repository) -> Iterator[Source]:
    """The files that start something, each once. What tests and examples start does not count."""
    seen: set[str] = set()
    for pattern, weight in PATTERNS:
        for file in repository.matching(pattern):
            if str(file.path) not in seen:
                seen.add(str(file.path))
                yield Source(file, weight)


def _joined(file: File) -> Iterator[tuple[int, str]]:
    """The lines, those that end with a backslash joined with the next one."""
    first, text = 0, ""
    for number, line in file.lines():
        first = first if text else number
        text += line.rstrip("\\").rstrip() + " "
        if not line.rstrip().endswith("\\"):
            yield first, text
            text = ""
    if text:
        yield first, text


def _listed(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines, with the items of a list of plain words joined: a command that is written one word a line."""
    first, words = 0, ""
    for number, line in lines:
        item = re.fullmatch(r"\s*-\s+(\S.*?)\s*", line)
        if item and not re.match(r"[\w.-]+:(\s|$)", item[1]):
            first = first if words else number
            words += f" {item[1]}"
            continue
        if words:
            yield first, words
            words = ""
        yield number, line
    if words:
        yield first, words
