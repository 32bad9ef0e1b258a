"""Small applications, and their descriptions, as the tests of images write them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from delivery.detection.description import Dependencies, Description, Found, Served, Style, Surroundings, Written


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files into the folder, which is returned."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def git(folder: Path, *command: str) -> None:
    """Run git in the folder, with nothing of the user's own configuration."""
    variables = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", folder, *who, *command], env=variables, capture_output=True, check=True)


def commit(folder: Path) -> None:
    """Have git track all files of the folder that it does not ignore."""
    git(folder, "init")
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "all")


def describe(
    folder: Path,
    reference: str = "shop:app",
    *,
    root: str = ".",
    python: str = "3.13",
    is_package: bool = False,
    apt: Iterable[str] = (),
    apt_build: Iterable[str] = (),
    build_steps: Iterable[str] = (),
    assets: str = "",
    writes: Iterable[Written] = (),
) -> Description:
    """The description of the application in the folder."""
    dependencies = Dependencies(
        Style.REQUIREMENTS, ("requirements.txt",), "requirements.txt", Found(python, "default"), is_package,
        apt=_found(apt), apt_build=_found(apt_build),
    )  # fmt: skip
    found = Found(assets, "test") if assets else None
    surroundings = Surroundings(build_steps=_found(build_steps), assets=found, writes=tuple(writes))
    return Description(folder, "shop", Found(Served(reference, root, "Flask"), "test"), dependencies, surroundings)


def _found(values: Iterable[str]) -> tuple[Found[str], ...]:
    return tuple(Found(value, "flask-app.toml") for value in values)
