"""Everything in a repository that names the application which a server is to serve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.detection.callables.production.commands import of_command
from delivery.detection.callables.production.files import Source, sources
from delivery.detection.callables.production.formats import of_configuration
from delivery.detection.callables.production.variables import of_variables
from delivery.detection.repository import Repository

REFERENCE = re.compile(r"(?P<module>[A-Za-z_][\w.]*)?(?::(?P<name>[A-Za-z_][\w.]*)(?P<call>\((?s:.*)\))?)?")
"""`module`, `module:name`, `:name`, `module:name()`, `module:name("argument")`."""


@dataclass(frozen=True)
class Declared:
    """The application as a file names it."""

    module: str
    """With dots; "" where only the name in it is told."""
    name: str
    """The name in the module; "" where only the module is told."""
    call: str
    """The arguments of a factory with their parentheses; "" where it is not called."""
    by: str
    """The server or setting that it is given to: gunicorn, uwsgi, waitress, FLASK_APP ..."""
    place: str
    """The file and the line."""
    folder: str
    """Where the command is started, as it is written; "" where that is not told."""
    weight: int
    """How much it tells about what production serves, from 0 to 100."""


def declared(repository: Repository) -> list[Declared]:
    """All of them, those that tell most about production first."""
    found = [each for source in sources(repository) for each in _of_source(source)]
    found += [
        each
        for reference, by, place in of_configuration(repository)
        if (each := _declared(reference, by, place, "", 100))
    ]
    return sorted(found, key=lambda each: -each.weight)


def _of_source(source: Source) -> Iterator[Declared]:
    folder = ""
    for number, line in source.lines:
        if match := re.search(r"--chdir[= ](\S+)|\bchdir\s*=\s*(\S+)|\bcd\s+([\w./-]+)\s*(?:&&|;)", line):
            folder = next(filter(None, match.groups()))
        place = f"{source.file.path}:{number}"
        weight = source.weight
        if str(source.file.path).startswith("Procfile") and not line.startswith("web:"):
            weight -= 20
        for reference, by in of_command(line):
            if each := _declared(reference, by, place, folder, weight):
                yield each
        for reference, by in of_variables(line):
            if each := _declared(reference, by, place, folder, weight // 2):
                yield each


def _declared(reference: str, by: str, place: str, folder: str, weight: int) -> Declared | None:
    path, colon, name = reference.partition(":")
    path = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".").lstrip(".")
    match = REFERENCE.fullmatch(f"{path}{colon}{name}")
    if not match or not (match["module"] or match["name"]):
        return None
    return Declared(match["module"] or "", match["name"] or "", match["call"] or "", by, place, folder, weight)
