"""The commands that a package installs: what its author starts it with, where no server is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.detection.repository import Repository

_IN_SETUP = re.compile(r"[\"']\s*([\w.-]+)\s*=\s*([A-Za-z_][\w.]*:[\w.]+)\s*[\"']")
_IN_CONFIGURATION = re.compile(r"^\s+([\w.-]+)\s*=\s*([A-Za-z_][\w.]*:[\w.]+)\s*$", re.MULTILINE)

_PASTE = re.compile(r"paste\.app_factory.{0,60}?main[\"']?\s*=\s*[\"']?([A-Za-z_][\w.]*:\w+)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command. function: `module:name`, what it calls."""

    name: str
    function: str
    place: str


def own_commands(repository: Repository) -> list[Command]:
    """The commands of the package, in the order that they are declared in."""
    return [*_in_pyproject(repository), *_in_setup(repository)]


def _in_pyproject(repository: Repository) -> Iterator[Command]:
    tool = repository.pyproject.get("tool", {})
    tables = {
        "[project.scripts]": repository.pyproject.get("project", {}),
        "[tool.poetry.scripts]": tool.get("poetry", {}) if isinstance(tool, dict) else {},
    }
    for title, table in tables.items():
        scripts = table.get("scripts", {}) if isinstance(table, dict) else {}
        for name, function in scripts.items() if isinstance(scripts, dict) else []:
            if isinstance(function, str):
                yield Command(name, function, f"pyproject.toml {title}")


def _in_setup(repository: Repository) -> Iterator[Command]:
    for file in repository.named("setup.py"):
        if match := re.search(r"console_scripts[\"']?\s*+[:=]\s*+\[([^\]]*+)", file.text()):
            yield from (Command(name, function, "setup.py") for name, function in _IN_SETUP.findall(match[1]))
    for file in repository.named("setup.cfg"):
        if match := re.search(r"^console_scripts\s*=\s*\n((?:[ \t]+.*\n?)+)", file.text(), re.MULTILINE):
            found = _IN_CONFIGURATION.findall(match[1])
            yield from (Command(name, function, "setup.cfg") for name, function in found)


def paste_factory(repository: Repository) -> tuple[str, str] | None:
    """What PasteDeploy calls to make the application, and where it is declared."""
    for file in repository.named("pyproject.toml", "setup.py", "setup.cfg"):
        if match := _PASTE.search(file.text()):
            return match[1], str(file.path)
    return None
