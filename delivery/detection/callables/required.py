"""The names of what a repository declares to need, wherever it declares that.

For telling one framework from another. Versions, markers and locks are for what resolves dependencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.detection.repository import Repository

# Possessive, and without an end that may be missing: the time must not grow faster than the file.
_LINE = re.compile(r"^\s*+[\"']?([A-Za-z][\w.-]*+)\s*+(?:\[[\w,\s-]*+\]\s*+)?(?:[=<>!~;@#,\"'].*)?$")
_FILES = (
    "requirements.txt", "requirements.in", "requirements/base.txt", "requirements/prod.txt",
    "requirements/production.txt", "requirements/common.txt", "requirements/main.txt",
)  # fmt: skip
_IN_SETUP = re.compile(r"(?:install_requires|requires|requirements)\s*+=\s*+\[([^\]]*+)")
_IN_CONFIGURATION = re.compile(r"^install_requires\s*=\s*\n((?:\s+.*\n?)+)", re.MULTILINE)


def required(repository: Repository) -> set[str]:
    """In lower case, with hyphens. Extras and groups for development are left out where they are told apart."""
    return {normalized(each) for each in (*_in_pyproject(repository), *_in_files(repository))} - {""}


def _in_pyproject(repository: Repository) -> Iterator[str]:
    project = repository.pyproject.get("project", {})
    if isinstance(project, dict):
        yield from (each for each in project.get("dependencies", []) if isinstance(each, str))
    tool = repository.pyproject.get("tool", {})
    poetry = tool.get("poetry", {}) if isinstance(tool, dict) else {}
    if isinstance(poetry, dict):
        yield from poetry.get("dependencies", {})


def _in_files(repository: Repository) -> Iterator[str]:
    for file in repository.named(*_FILES):
        for _, line in file.lines():
            if match := _LINE.match(line):
                yield match[1]
    for file in repository.named("Pipfile"):
        packages = re.search(r"^\[packages\]\s*$(.*?)(?=^\[|\Z)", file.text(), re.MULTILINE | re.DOTALL)
        yield from re.findall(r"^[\"']?([A-Za-z][\w.-]*)", packages[1] if packages else "", re.MULTILINE)
    for file in repository.named("setup.py"):
        for listed in _IN_SETUP.findall(file.text()):
            yield from re.findall(r"[\"']([A-Za-z][^\"']*)[\"']", listed)
    for file in repository.named("setup.cfg"):
        if match := _IN_CONFIGURATION.search(file.text()):
            yield from (line for line in match[1].splitlines() if line.strip())


def normalized(requirement: str) -> str:
    """The name that a requirement begins with, as package indexes compare it; "" if it begins with none."""
    match = re.match(r"\s*([A-Za-z][\w.-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""
