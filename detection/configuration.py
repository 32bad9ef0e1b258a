"""What a repository says itself: flask-app.toml, or the table [tool.flask-app] of its pyproject.toml.

Each key takes precedence over what is detected. An unknown key, a value of the wrong type and both places at once are
refused, with the line to write.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """A command that runs on a schedule."""

    schedule: str
    """In cron's syntax."""
    command: str


@dataclass(frozen=True)
class Configuration:
    """The keys that are set. None: not set, so that it is detected; an empty value is set to nothing."""

    place: str = "flask-app.toml"
    """Where they are set."""
    name: str | None = None
    serve: str | None = None
    root: str | None = None
    python: str | None = None
    requirements: tuple[str, ...] | None = None
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    apt: tuple[str, ...] | None = None
    apt_build: tuple[str, ...] | None = None
    build: tuple[str, ...] | None = None
    assets: str | bool | None = None
    migrate: str | bool | None = None
    health: str | bool | None = None
    writable: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    workers: dict[str, str] | None = None
    jobs: dict[str, Job] | None = None
