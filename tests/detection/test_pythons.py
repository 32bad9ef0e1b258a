"""The Python of the image."""

from pathlib import Path

import pytest

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies.pythons import allowed
from tests.detection.declared import find, refusal


def project(versions: str) -> str:
    """A pyproject.toml that allows versions."""
    return f'[project]\nname = "shop"\nversion = "1"\nrequires-python = "{versions}"\n'


def poetry(versions: str) -> str:
    """The same by Poetry."""
    return f'[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "{versions}"\n'


@pytest.mark.parametrize(
    ("files", "version", "place"),
    [
        ({}, "3.13", "default"),
        ({".python-version": "3.12.4\n"}, "3.12", ".python-version:1"),
        ({".python-version": "# pyenv\nshop-env\n3.11\n"}, "3.11", ".python-version:3"),
        ({".python-version": "shop-env\n"}, "3.13", "default"),
        ({"runtime.txt": "python-3.11.9"}, "3.11", "runtime.txt:1"),
        ({".tool-versions": "nodejs 20.1\npython 3.14.0\n"}, "3.14", ".tool-versions:2"),
        ({"Pipfile": '[requires]\npython_version = "3.12"\n', "Pipfile.lock": "{}"}, "3.12", "Pipfile [requires]"),
        ({"pyproject.toml": project(">=3.12")}, "3.13", "pyproject.toml requires-python"),
        ({"pyproject.toml": project(">=3.8,<3.12")}, "3.11", "pyproject.toml requires-python"),
        ({"pyproject.toml": project(">=3.9,<3.12.5")}, "3.12", "pyproject.toml requires-python"),
        ({"pyproject.toml": project(">=3.14")}, "3.14", "pyproject.toml requires-python"),
        ({"pyproject.toml": poetry("^3.8")}, "3.13", "pyproject.toml [tool.poetry.dependencies] python"),
        ({"pyproject.toml": poetry("~3.11")}, "3.11", "pyproject.toml [tool.poetry.dependencies] python"),
        ({"setup.py": "from setuptools import setup\nsetup(python_requires='<3.13')"}, "3.12", "setup.py:2"),
        ({".python-version": "3.11", "pyproject.toml": project(">=3.10")}, "3.11", ".python-version:1"),
    ],
)
def test_the_version(tmp_path: Path, files: dict[str, str], version: str, place: str) -> None:
    found = find(tmp_path, {"requirements.txt": "", **files}).python
    assert (found.value, found.place) == (version, place)


def test_the_configuration_comes_first(tmp_path: Path) -> None:
    files = {"requirements.txt": "", ".python-version": "3.8"}
    assert find(tmp_path, files, Configuration(python="3.12")).python.value == "3.12"


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ({"runtime.txt": "python-3.6.8"}, "runtime.txt:1 says python-3.6.8"),
        ({"pyproject.toml": project(">=3.8,<3.11")}, "pyproject.toml requires-python says >=3.8,<3.11"),
        ({".tool-versions": "python 3.10.2"}, ".tool-versions:1 says 3.10.2"),
    ],
)
def test_an_older_python_is_refused_with_the_line_to_write(tmp_path: Path, files: dict[str, str], cause: str) -> None:
    problem = refusal(tmp_path, {"requirements.txt": "", **files})
    assert problem.cause.startswith(cause)
    assert problem.line == 'python = "3.13"'


def test_places_that_contradict_are_refused(tmp_path: Path) -> None:
    files = {"requirements.txt": "", ".python-version": "3.11", "pyproject.toml": project(">=3.12")}
    problem = refusal(tmp_path, files)
    assert problem.cause == ".python-version:1 says Python 3.11, but pyproject.toml requires-python says >=3.12"
    assert problem.line == 'python = "3.13"'


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ("^3.12", ("3.12", "3.13", "3.14")),
        ("~3.12", ("3.12",)),
        ("3.12", ("3.12",)),
        ("3.12.*", ("3.12",)),
        (">=3.11,<3.13 || >=3.14", ("3.11", "3.12", "3.14")),
        (">=3.12 <3.14", ("3.12", "3.13")),
        ("*", ("3.11", "3.12", "3.13", "3.14")),
        ("!=3.12.*", ("3.11", "3.13", "3.14")),
    ],
)
def test_ranges_of_poetry_and_of_pep_440(versions: str, expected: tuple[str, ...]) -> None:
    assert allowed(versions) == expected
