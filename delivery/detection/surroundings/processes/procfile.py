"""The Procfile, as Heroku and its like read it."""

from __future__ import annotations

import re

from delivery.detection.repository import Repository


def procfile(repository: Repository) -> dict[str, tuple[str, str]]:
    """The commands of the Procfile and their places, by name."""
    found: dict[str, tuple[str, str]] = {}
    for file in repository.named("Procfile"):
        for number, line in file.lines():
            if match := re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*:\s*(\S.*?)\s*", line):
                found[match[1]] = (match[2], f"Procfile:{number}")
    return found
