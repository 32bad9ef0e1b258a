"""The application's own virtual environment: made of what is locked, and made anew only when that changes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from delivery.checkout import ROOT
from delivery.development.environment import Environment, environment
from delivery.development.errors import DevelopmentError
from delivery.development.python import find_python
from delivery.images.lock import Locked
from tests.development.applications import described, everything_in, write

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
REUSED_SECONDS = 0.3
ITSDANGEROUS = (
    "itsdangerous==2.2.0 --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef "
    "--hash=sha256:e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173\n"
)


def python(made: Environment, code: str) -> str:
    """What Python in the environment prints."""
    command = [str(made.programs / "python"), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def locked(folder: Path, pins: str = "") -> Locked:
    """What `make lock` would have made."""
    (folder / "locked.txt").write_text(pins)
    return Locked(folder / "locked.txt", ())


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which Pythons are looked for, which takes seconds where there are many."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder))
    return folder


def test_it_has_what_is_locked_and_nodrop_as_it_is_in_this_checkout(tmp_path: Path) -> None:
    made = environment(described(tmp_path, python=HERE), locked(tmp_path, ITSDANGEROUS), tmp_path / "venv")
    assert made.is_new
    assert python(made, "import itsdangerous; print(itsdangerous.__version__)") == "2.2.0"
    assert Path(python(made, "import nodrop; print(nodrop.__file__)")).resolve() == ROOT / "nodrop" / "__init__.py"
    assert (made.programs / "nodrop").exists()
    # Nothing else of the checkout can be imported: its names are those of applications too.
    found = "import importlib.util as u; print(u.find_spec('detection'), u.find_spec('app'))"
    assert python(made, found) == "None None"


def test_it_is_made_anew_when_what_is_locked_changes(tmp_path: Path) -> None:
    pins = tmp_path / "locked.txt"
    pins.write_text("")
    first = environment(described(tmp_path, python=HERE), Locked(pins, ()), tmp_path / "venv")
    pins.write_text("# another comment\n")
    second = environment(described(tmp_path, python=HERE), Locked(pins, ()), tmp_path / "venv")
    assert second.is_new
    assert second.folder != first.folder


@pytest.mark.alone
@pytest.mark.usefixtures("programs")
def test_it_is_there_at_once_when_nothing_changed(tmp_path: Path) -> None:
    for wanted in (HERE, "3.99"):
        environment(described(tmp_path, python=wanted), locked(tmp_path), tmp_path / "venv")
        began = time.monotonic()
        again = environment(described(tmp_path, python=wanted), locked(tmp_path), tmp_path / "venv")
        seconds = time.monotonic() - began
        print(f"{seconds:.3f} s")
        assert not again.is_new
        assert seconds < REUSED_SECONDS


def test_what_can_not_be_installed_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    others = ITSDANGEROUS.replace("c6242", "00000").replace("e0050", "00000")
    with pytest.raises(DevelopmentError, match=r"(?s)can't be created:.*itsdangerous.*make up"):
        environment(described(tmp_path, python=HERE), locked(tmp_path, others), tmp_path / "venv")
    assert everything_in(tmp_path / "venv") == set()


def test_an_interpreter_that_is_installed_later_is_found(tmp_path: Path, programs: Path) -> None:
    assert find_python("3.99", tmp_path / "cache")[0] == sys.executable
    (programs / "python3.99").write_text(f"#!/bin/sh\necho 3.99\necho {programs}/python3.99\n")
    (programs / "python3.99").chmod(0o755)
    assert find_python("3.99", tmp_path / "cache") == (f"{programs}/python3.99", "")


@pytest.mark.usefixtures("programs")
def test_a_python_that_is_not_here_is_replaced_and_told(tmp_path: Path) -> None:
    made = environment(described(tmp_path, python="3.99"), locked(tmp_path), tmp_path / "venv")
    assert made.note.startswith(
        f"Python 3.99, which the image uses, isn't installed on this machine: serving with Python {HERE}."
    )


def test_a_package_has_its_metadata_and_its_code_is_that_of_the_repository(tmp_path: Path) -> None:
    """Build systems write beside the code: nothing of it is in the repository."""
    project = """
[project]
name = "shop"
version = "4.2"
description = "A shop"
[build-system]
requires = ["flit_core>=3.12,<4"]
build-backend = "flit_core.buildapi"
"""
    repository = write(
        tmp_path / "shop",
        **{"pyproject.toml": project, "src__shop.py": '"""The shop."""\n'},
    )
    before = everything_in(repository)
    description = described(repository, root="src", python=HERE, is_package=True)
    made = environment(description, locked(tmp_path), tmp_path / "venv")
    assert python(made, "from importlib.metadata import version; print(version('shop'))") == "4.2"
    assert everything_in(repository) == before
