"""deploy/requirements.txt and the wheel beside it, which are made anew each time and not merged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from detection.description import Description
from ejection.answers import Parts
from ejection.checkout import Checkout
from ejection.wheel import build, with_wheel

DEPLOY = "deploy"


@dataclass(frozen=True)
class Compiled:
    """The files in a folder of their own. notes: what the user should know, in sentences."""

    folder: Path
    notes: tuple[str, ...]

    @property
    def lock(self) -> str:
        """The text of the lock."""
        return (self.folder / "requirements.txt").read_text(encoding="utf-8")

    def replace(self, repository: Path) -> None:
        """Put them in the place of what is in the repository, where the wheel may have another name."""
        for old in (repository / DEPLOY).glob("nodrop-*.whl"):
            old.unlink()
        shutil.copytree(self.folder, repository / DEPLOY, dirs_exist_ok=True)


def compiled(folder: Path, description: Description, checkout: Checkout, parts: Parts) -> Compiled:
    """Make the files in `folder`, an empty one. The pins in the repository are kept where they fit. Raises Refused."""
    requirements = folder / "requirements.txt"
    before = description.folder / DEPLOY / "requirements.txt"
    if before.exists():
        shutil.copyfile(before, requirements)
    notes = parts.lock(description, requirements)
    locked = requirements.read_text(encoding="utf-8")
    wheel = build(checkout, folder)
    requirements.write_text(with_wheel(locked, wheel, description.folder), encoding="utf-8")
    return Compiled(folder, notes)
