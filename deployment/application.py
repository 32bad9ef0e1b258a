"""The application that APP names, and what its repository says."""

from __future__ import annotations

import re
from pathlib import Path

from detection.detect import detect
from detection.report import explain
from detection.source import folder_of

from deployment.errors import DeploymentError
from deployment.prepare import Application
from detection.configuration import read
from detection.description import Undecided
from detection.repository import Repository

VERSIONS = Path(__file__).resolve().parents[1] / "versions.env"


def default_python() -> str:
    """The version of the image's Python, such as 3.13."""
    found = re.search(r"^PYTHON_IMAGE=.*:(\d+\.\d+)", VERSIONS.read_text(), re.MULTILINE)
    if not found:
        raise DeploymentError(f"{VERSIONS} has no line PYTHON_IMAGE=python:<version>-slim")
    return found[1]


def describe(app: str) -> Application:
    """Describe an application. app: a folder or a git address. Raises DeploymentError with all that is undecided."""
    try:
        folder = folder_of(app)
        description = detect(folder, default_python())
        configuration = read(Repository(folder))
    except Undecided as undecided:
        raise DeploymentError(explain(undecided.problems)) from undecided
    return Application(description, configuration.environment, configuration.place)
