"""What the application needs around it when it runs."""

from __future__ import annotations

from detection.configuration import Configuration
from detection.description import Served, Surroundings
from detection.repository import Repository


def find_surroundings(repository: Repository, configuration: Configuration, served: Served) -> Surroundings:  # noqa: ARG001 - the finders come next
    """All that is found around what is served. What the configuration sets takes precedence."""
    return Surroundings()
