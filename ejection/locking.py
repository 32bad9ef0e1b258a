"""deploy/: the lock and the wheel, which are compiled and not merged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from detection.description import Description
from ejection import wheel
from ejection.checkout import Checkout

Lock = Callable[[Description, Path], tuple[str, ...]]
"""Pins and hashes what the application and nodrop need in a file, of which pins that are there already are kept where
they fit. Returns notes for the user."""
REQUIREMENTS = "deploy/requirements.txt"


def compile_into(folder: Path, description: Description, checkout: Checkout, lock: Lock) -> tuple[str, ...]:
    """Write the lock and the wheel into `folder`, an empty one. Returns the lock's notes."""
    requirements = folder / "requirements.txt"
    before = description.folder / REQUIREMENTS
    if before.exists():
        shutil.copyfile(before, requirements)
    notes = lock(description, requirements)
    wheel.add_to(requirements, wheel.build(checkout, folder))
    return notes


def replace(compiled: Path, repository: Path) -> None:
    """Put what was compiled in the place of what is in the repository, of which the wheel has another name."""
    for old in (repository / "deploy").glob("nodrop-*.whl"):
        old.unlink()
    shutil.copytree(compiled, repository / "deploy", dirs_exist_ok=True)
