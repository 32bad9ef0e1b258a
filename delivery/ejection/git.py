"""git, as a program: what a folder has committed, and what it has not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from delivery.ejection.refusal import Refused


def git(folder: Path, *arguments: str) -> str:
    """What `git arguments` prints in `folder`.

    Raises Refused if there is no git, and subprocess.CalledProcessError if it fails.
    """
    try:
        return _run(folder, arguments).stdout.strip("\n")
    except FileNotFoundError as error:
        raise Refused("git is not on PATH: install it") from error


def succeeds(folder: Path, *arguments: str) -> bool:
    """Whether `git arguments` succeeds in `folder`."""
    try:
        git(folder, *arguments)
    except subprocess.CalledProcessError:
        return False
    return True


def paths(folder: Path, *arguments: str) -> list[str]:
    """The paths that `git arguments -z` prints."""
    command, *others = arguments
    return [path for path in git(folder, command, "-z", *others).split("\0") if path]


def _run(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # A hook that runs make has these, and they would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=True
    )
