"""The application that APP names: found in its repository, and installed in an environment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployment.errors import DeploymentError
from detection.configuration import read
from detection.description import Undecided
from detection.detect import detect
from detection.report import explain
from detection.repository import Repository
from detection.source import folder_of
from development.environment import environment
from development.errors import DevelopmentError
from development.local import local, read_env_file
from images.arguments import pinned, python_version
from images.build import CONTEXTS
from images.errors import ImageError
from images.lock import LockError, lock
from sizing.serving.server import Application
from sizing.unmeasurable import Unmeasurable


@dataclass(frozen=True)
class Brought:
    """An application that can be started."""

    name: str
    application: Application
    health: str
    """The path of its health route; empty if none is known."""
    notes: tuple[str, ...]
    """What a user should know, in sentences."""


def bring(app: str, env_file: Path | None) -> Brought:
    """Find and install an application. env_file: its settings.

    Raises Unmeasurable with all that is undecided or missing.
    """
    try:
        folder = folder_of(app)
        description = detect(folder, python_version(pinned()["PYTHON_IMAGE"]))
        given = {**read(Repository(description.folder)).environment, **read_env_file(env_file)}
        locked = lock(description, CONTEXTS.parent / "lock" / description.name)
        made = environment(description, locked)
        start = local(description, made, given=given)
    except Undecided as undecided:
        raise Unmeasurable(explain(undecided.problems), "") from undecided
    except (LockError, DevelopmentError, DeploymentError, ImageError) as error:
        raise Unmeasurable(str(error), "") from error
    health = description.surroundings.health
    return Brought(
        description.name,
        Application(made.programs / "python", start.folder, start.variables, description.served.value.reference),
        health.value if health else "",
        (*locked.notes, *([made.note] if made.note else [])),
    )
