"""What is found around a small application."""

from pathlib import Path

from delivery.detection.configuration import read
from delivery.detection.description import Served, Surroundings
from delivery.detection.surroundings import find_surroundings
from tests.detection.repositories import made

FLASK = """
from flask import Flask
app = Flask(__name__)
"""


def found(
    folder: Path, files: dict[str, str], serve: str = "app:app", root: str = ".", kind: str = "Flask"
) -> Surroundings:
    """The surroundings of a repository with these files, of which `serve` is served."""
    repository = made(folder, files)
    return find_surroundings(repository, read(repository), Served(serve, root, kind))
