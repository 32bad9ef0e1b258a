"""The lock and the wheel in deploy/, which are made anew each time and not merged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from delivery.detection.description import Description
from delivery.ejection.answers import Locked, Parts
from delivery.ejection.checkout import Checkout
from delivery.ejection.refusal import Refused
from delivery.ejection.wheel import build, with_wheel
from delivery.images.lock.files import login_in
from delivery.own_files import copy_all, require_own

DEPLOY = "deploy"


@dataclass(frozen=True)
class Compiled:
    """The files in a folder of their own."""

    folder: Path
    locked: Locked

    def replace(self, repository: Path, before: Mapping[str, object]) -> None:
        """Put them in the place of what an earlier version has made. before: its answers; empty if there is none.

        Raises Linked.
        """
        require_own(repository, DEPLOY)
        deploy = repository / DEPLOY
        if before:
            for old in deploy.glob("nodrop-*.whl"):
                old.unlink()
        if before.get("unhashed"):
            (deploy / "requirements-unhashed.txt").unlink(missing_ok=True)
        if before.get("local"):
            shutil.rmtree(deploy / "local", ignore_errors=True)
        copy_all(self.folder, repository, DEPLOY)


def compiled(folder: Path, description: Description, checkout: Checkout, parts: Parts) -> Compiled:
    """Make the files in `folder`, an empty one. Raises Refused."""
    locked = parts.lock(description, folder)
    for file in folder.glob("requirements*.txt"):
        if line := login_in(file.read_text(encoding="utf-8")):
            raise Refused(
                f"the address in {line} has a login in it, which would be committed: give the login in ~/.netrc"
            )
    requirements = folder / "requirements.txt"
    text = with_wheel(requirements.read_text(encoding="utf-8"), build(checkout, folder))
    requirements.write_text(text, encoding="utf-8")
    return Compiled(folder, locked)
