"""What git knows of a folder. Nothing of the repository is run by what is asked here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Variables that a hook of git sets, to another repository."""


def git(folder: Path, *command: str) -> str:
    """What git answers about the folder; empty if it has no answer."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
