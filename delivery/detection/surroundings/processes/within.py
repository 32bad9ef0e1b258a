"""A scheduler within the server, which runs once in each of its processes."""

from __future__ import annotations

import re

from delivery.detection.code.application import Application
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found

SCHEDULERS = re.compile(r"(?:apscheduler|flask_apscheduler)\b.*(?:BackgroundScheduler|APScheduler|GeventScheduler)$")


def find_scheduler(configuration: Configuration, application: Application, notes: list[str]) -> Found[str] | None:
    """Why there must be one replica: each would run every job. None if flask-app.toml says what the workers are."""
    if configuration.workers is not None:
        return None
    for module in application.modules:
        if not any("apscheduler" in meaning for meaning in module.imports.values()):
            continue
        for call in module.calls:
            if SCHEDULERS.match(module.dotted(call.func)):
                place = module.place(call)
                notes.append(
                    f"{place}: a scheduler starts within the server, so each job would run in every pod. There is one "
                    "replica for that reason. To have more, run it as one process, with workers.scheduler in "
                    "flask-app.toml, or move each job to [jobs.NAME]."
                )
                return Found("a scheduler within the server", place)
    return None
