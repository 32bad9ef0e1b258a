"""The application that APP names: found in its repository, and installed in an environment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from delivery.checkout import default_python
from delivery.deployment.errors import DeploymentError
from delivery.detection.configuration import read
from delivery.detection.description import Undecided
from delivery.detection.detect import detect
from delivery.detection.report import explain
from delivery.detection.repository import Repository
from delivery.detection.source import folder_of
from delivery.development.environment import environment
from delivery.development.errors import DevelopmentError
from delivery.development.local import local, read_env_file
from delivery.images.build import LOCKS
from delivery.images.errors import ImageError
from delivery.images.folders import alone, own_folder
from delivery.images.lock import LockError, lock
from delivery.sizing.serving.server import Application
from delivery.sizing.unmeasurable import Unmeasurable


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
        description = detect(folder, default_python())
        given = {**read(Repository(description.folder)).environment, **read_env_file(env_file)}
        with alone(own_folder(LOCKS, description)) as place:
            locked = lock(description, place)
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
        (*description.notes, *locked.notes, *([made.note] if made.note else [])),
    )
