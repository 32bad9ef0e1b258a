"""The application's own commands that sound like a process beside the server. Whether they are, only a person knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.detection.description import Found
from delivery.detection.repository import Repository

SOUNDING = re.compile(r"worker|schedul|beat|notif|consum|sync|daemon|metricd|statsd|amqpd|poll|cron|listen|housekeep")
_SCRIPT = re.compile(r"^\s*[\"']?(?P<name>[A-Za-z][\w.-]*)[\"']?\s*=\s*[\"']?[\w.]+:[\w.]+")
_HEADING = re.compile(r"^\s*(?:\[(?:project|tool\.poetry)\.scripts\]|[\"']?console_scripts[\"']?\s*[:=])")


def command_notes(repository: Repository) -> Iterator[str]:
    """A note on such commands, if there are any."""
    found = [each for each in _commands(repository) if SOUNDING.search(each.value)]
    if found:
        names = ", ".join(f"`{each.value}` ({each.place})" for each in found)
        yield (
            f"Commands that may have to run as workers: {names}. If so, set them in flask-app.toml: "
            f'workers.NAME = "{found[0].value}".'
        )


def _commands(repository: Repository) -> Iterator[Found[str]]:
    for file in repository.named("pyproject.toml", "setup.cfg", "setup.py"):
        within = False
        for number, line in file.lines():
            if _HEADING.match(line):
                within = True
            elif within and (match := _SCRIPT.match(line)):
                yield Found(match["name"], f"{file.path}:{number}")
            elif line.strip() and not line.lstrip().startswith("#"):
                within = False
