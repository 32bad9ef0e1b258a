"""The description of an application: each fact, and where in the repository it was found.

Paths are relative to the repository, with slashes. A place is a file with a line (`wsgi.py:3`), a table of a file
(`pyproject.toml [project.scripts]`) or `default`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A fact and its place."""

    value: T
    place: str


@dataclass(frozen=True)
class Problem:
    """Why something can't be decided, and what to do. Printed as it is."""

    cause: str
    """What is wrong or uncertain, with its place. No full stop."""
    remedy: str
    """What to do, as an imperative. No full stop."""
    candidates: tuple[Found[str], ...] = ()
    """What could be meant, where there is a choice."""
    line: str = ""
    """The line of flask-app.toml that decides it, such as `serve = "shop:app"`."""


class Undecided(Exception):
    """The repository can't be served as it is. problems: all of them, so that they can be solved at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(each.cause for each in problems))
        self.problems = problems


@dataclass(frozen=True)
class Served:
    """What gunicorn is to serve."""

    reference: str
    """`module:name` or `module:factory()`, as WSGI_APP takes it."""
    root: str
    """The folder that must be first on Python's path: `.` for the repository, `..` where it is itself a package."""
    kind: str
    """Flask, Dash, Django or WSGI."""


class Style(Enum):
    """How a repository declares what it depends on."""

    REQUIREMENTS = "requirements files"
    PYPROJECT = "pyproject.toml"
    SETUP = "setup.py or setup.cfg"
    UV_LOCK = "uv.lock"
    PDM_LOCK = "pdm.lock"
    POETRY_LOCK = "poetry.lock"
    PIPFILE_LOCK = "Pipfile.lock"
    PYLOCK = "pylock.toml"
    NONE = "nothing"


@dataclass(frozen=True)
class Dependencies:
    """What must be installed, and with which Python."""

    style: Style
    files: tuple[str, ...]
    """What declares them: the lock file, or the requirement files in their order."""
    place: str
    python: Found[str]
    """The image's Python, such as 3.13."""
    is_package: bool
    """The repository is itself a package to install (it has a build system), not just a folder of modules."""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    apt: tuple[Found[str], ...] = ()
    """Debian packages that the image needs, such as libpq5."""
    apt_build: tuple[Found[str], ...] = ()
    """Debian packages that only building wheels needs, such as libpq-dev."""
    notes: tuple[str, ...] = ()
    """What a user should know, in sentences: an override, something left out."""


class Role(Enum):
    """What a process of the application is for."""

    WORKER = "worker"
    SCHEDULER = "scheduler"
    """A worker of which there must be exactly one, such as Celery beat."""
    JOB = "cron job"


@dataclass(frozen=True)
class Process:
    """A process beside the server."""

    name: str
    """A DNS label."""
    role: Role
    command: str
    """As a shell would read it."""
    place: str
    schedule: str = ""
    """Of a cron job, in cron's syntax."""


@dataclass(frozen=True)
class Setting:
    """An environment variable that the application reads."""

    name: str
    place: str
    required: bool
    """The application fails without it: os.environ["NAME"]."""
    secret: bool
    """Its name or its use says that it is confidential: it belongs into the Secret."""
    default: str = ""
    """As written in the source; empty if there is none or it is computed."""


@dataclass(frozen=True)
class Written:
    """A folder or file that the application writes to."""

    path: str
    """Relative to the repository, absolute, or starting with ~."""
    place: str
    what: str
    """What it is. Of files: `SQLite database`, `database file` of another kind, `log file`, `file`. Of folders: `upload
    folder`, `instance folder`, `search index`, `cache`, `log folder`, `session files`, `folder`."""
    shared: bool
    """Every pod must see the same content, so that more than one replica needs a shared volume."""
    setting: str = ""
    """The environment variable that, where it is set, gives another path or another database; empty for none."""


@dataclass(frozen=True)
class Surroundings:
    """What the application needs around it when it runs."""

    processes: tuple[Process, ...] = ()
    migration: Found[str] | None = None
    """The command that runs before a new version starts, such as `flask db upgrade`."""
    build_steps: tuple[Found[str], ...] = ()
    """Commands that run while the image is built, after the application is copied: collectstatic, translations."""
    assets: Found[str] | None = None
    """The folder of a package.json with a lock file and a build script."""
    settings: tuple[Setting, ...] = ()
    health: Found[str] | None = None
    """The path of a route that answers 200 when the application works."""
    writes: tuple[Written, ...] = ()
    services: tuple[Found[str], ...] = ()
    """`postgresql`, `mysql`, `redis`: what it connects to."""
    affinity: Found[str] | None = None
    """Why clients must stay with one pod, such as Flask-SocketIO."""
    single: Found[str] | None = None
    """Why there must be one replica of the server, such as a scheduler within it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """All that is known of an application."""

    folder: Path
    """The repository; absolute."""
    name: str
    """Of the image and the release: a DNS label, from the folder's name or flask-app.toml."""
    served: Found[Served]
    dependencies: Dependencies
    surroundings: Surroundings

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, in sentences."""
        return (*self.dependencies.notes, *self.surroundings.notes)
