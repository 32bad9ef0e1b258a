"""git, as a program: what a folder has committed, and what it has not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from delivery.ejection.refusal import Refused
from delivery.git import run


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
    # Only a clone of this checkout is a transfer.
    done = run(folder, *arguments, network=arguments[0] == "clone")
    done.check_returncode()
    return subprocess.CompletedProcess(done.args, 0, os.fsdecode(done.stdout), os.fsdecode(done.stderr))
