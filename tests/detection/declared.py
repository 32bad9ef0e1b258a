"""Small repositories, and what is found to be declared in them."""

from pathlib import Path

import pytest

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import find_dependencies
from delivery.detection.description import Dependencies, Problem, Undecided
from delivery.detection.repository import Repository


def write(folder: Path, files: dict[str, str]) -> Repository:
    """A repository of these files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return Repository(folder)


def find(folder: Path, files: dict[str, str], configuration: Configuration | None = None) -> Dependencies:
    """What is declared, with 3.13 as the Python where nothing says another."""
    return find_dependencies(write(folder, files), configuration or Configuration(), "3.13")


def refusal(folder: Path, files: dict[str, str], configuration: Configuration | None = None) -> Problem:
    """Why it can't be decided."""
    with pytest.raises(Undecided) as caught:
        find(folder, files, configuration)
    (problem,) = caught.value.problems
    return problem
