"""What the application needs around it when it runs: each finder in a module of its own.

What can't be told for certain is a note, and nothing is set by it.
"""

from __future__ import annotations

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.configuration import Configuration
from delivery.detection.description import Served, Surroundings
from delivery.detection.repository import Repository
from delivery.detection.surroundings.build_steps import find_assets, find_build_steps
from delivery.detection.surroundings.health import find_health
from delivery.detection.surroundings.migrations import find_migration
from delivery.detection.surroundings.processes import find_processes
from delivery.detection.surroundings.processes.within import find_scheduler
from delivery.detection.surroundings.services import find_services
from delivery.detection.surroundings.sessions import find_affinity, find_single, session_notes
from delivery.detection.surroundings.settings import find_settings
from delivery.detection.surroundings.writes import find_writes


def find_surroundings(repository: Repository, configuration: Configuration, served: Served) -> Surroundings:
    """All that is found around what is served. What the configuration sets takes precedence."""
    application = Application(repository, served)
    configured = Configured(application)
    notes: list[str] = []
    settings = find_settings(repository, configuration, application, configured)
    processes, more = find_processes(repository, configuration, application)
    return Surroundings(
        processes=processes,
        migration=find_migration(repository, configuration, application, notes),
        build_steps=find_build_steps(repository, configuration, application, configured),
        assets=find_assets(repository, configuration, notes),
        settings=settings,
        health=find_health(configuration, application),
        writes=find_writes(configuration, application, configured, settings),
        services=find_services(repository, configuration, application, configured, settings, notes),
        affinity=find_affinity(application),
        single=find_single(application, notes) or find_scheduler(configuration, application, notes),
        notes=(*session_notes(application, configured), *more, *notes),
    )
