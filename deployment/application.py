"""The application that APP names, and what its repository says."""

from __future__ import annotations

from deployment.errors import DeploymentError
from deployment.prepare import Application
from detection.configuration import read
from detection.description import Undecided
from detection.detect import detect
from detection.report import explain
from detection.repository import Repository
from detection.source import folder_of
from images.arguments import pinned, python_version


def describe(app: str) -> Application:
    """Describe an application. app: a folder or a git address. Raises DeploymentError with all that is undecided."""
    try:
        folder = folder_of(app)
        description = detect(folder, python_version(pinned()["PYTHON_IMAGE"]))
        configuration = read(Repository(folder))
    except Undecided as undecided:
        raise DeploymentError(explain(undecided.problems)) from undecided
    return Application(description, configuration.environment, configuration.place)
