"""The checkout that all of this is part of, and the versions that it pins."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
"""What is made, and may be deleted."""
CHART = ROOT / "charts" / "flask-app"


def private(folder: Path) -> Path:
    """The folder, made if it is not there, for this user alone: what lies in it may hold credentials."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


@cache
def pinned() -> dict[str, str]:
    """versions.env."""
    lines = (ROOT / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def default_python() -> str:
    """The image's Python where an application asks for none, such as 3.13."""
    match = re.search(r":(\d+\.\d+)", pinned()["PYTHON_IMAGE"])
    assert match, "PYTHON_IMAGE in versions.env names a version"
    return match[1]
