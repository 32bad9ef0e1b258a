"""The application that APP names, and what its repository says."""

from __future__ import annotations

from delivery.checkout import default_python
from delivery.deployment.errors import DeploymentError
from delivery.deployment.prepare import Application
from delivery.detection.configuration import read
from delivery.detection.description import Undecided
from delivery.detection.detect import detect
from delivery.detection.report import explain
from delivery.detection.repository import Repository
from delivery.detection.source import folder_of


def describe(app: str) -> Application:
    """Describe an application. app: a folder or a git address. Raises DeploymentError with all that is undecided."""
    try:
        folder = folder_of(app)
        description = detect(folder, default_python())
        configuration = read(Repository(folder))
    except Undecided as undecided:
        raise DeploymentError(explain(undecided.problems)) from undecided
    return Application(description, configuration.environment, configuration.place)
