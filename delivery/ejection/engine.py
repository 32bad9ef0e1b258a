"""copier, as a program: it renders the templates, and merges what two versions of them render with the user's edits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from delivery.detection.reading import read_bytes
from delivery.ejection.checkout import NAME, Checkout
from delivery.ejection.refusal import Refused
from delivery.git import settings_in_variables
from delivery.own_files import Linked, require_own

ANSWERS = "deploy/.answers.yml"
"""The file in the user's repository that records the template's version and the answers."""


def render(checkout: Checkout, destination: Path, answers: Mapping[str, object]) -> None:
    """Write what the template makes of the answers to `destination`. Raises Refused if it can't."""
    _copier(checkout, answers, "copy", "--overwrite", NAME, str(destination))


def merge(checkout: Checkout, repository: Path, answers: Mapping[str, object]) -> None:
    """Bring the repository from the version in its answers file to this one.

    What can't be merged is marked in the files, and unmerged in git's index. Raises Refused if nothing could be done.
    """
    _copier(checkout, answers, "update", "--answers-file", ANSWERS, "--conflict", "inline", str(repository))


def recorded(repository: Path) -> dict[str, object]:
    """The answers file. Raises FileNotFoundError, and Refused if it can't be read."""
    file = repository / ANSWERS
    require_own_files(repository, [ANSWERS])
    try:
        answers = yaml.safe_load(read_bytes(file).decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{file} can't be read: {error}. Restore it from git") from error
    if not isinstance(answers, dict) or "_commit" not in answers:
        raise Refused(f"{file} doesn't have the version that wrote it (_commit). Restore it from git")
    if answers.get("_src_path") != NAME:
        raise Refused(f"{file} names another template than nodrop's (_src_path). Restore it from git")
    require_inside(answers.get("dockerfile", "Dockerfile"), f"dockerfile in {file}")
    return answers


def require_own_files(repository: Path, names: Iterable[str]) -> None:
    """Raise Refused if a file of these names, or a folder above it, is a link, through which it would be written."""
    try:
        for name in names:
            require_own(repository, name)
    except Linked as error:
        raise Refused(f"{error}. Nothing was written") from None


def require_inside(dockerfile: object, what: str) -> None:
    """Raise Refused if the path of a Dockerfile leads out of the repository, or would have to be quoted in a recipe."""
    path = str(dockerfile)
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", path, re.ASCII):
        raise Refused(
            f"{what}={path!r} is no path in the repository: use letters, digits, _, - and ., such as deploy/Dockerfile"
        )


def _copier(checkout: Checkout, answers: Mapping[str, object], command: str, *arguments: str) -> None:
    data = checkout.folder.parent / "answers.json"
    # JSON is YAML too.
    data.write_text(json.dumps(dict(answers)), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "COPIER_"))}
    environment |= settings_in_variables()
    done = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-m", "copier", command, "--quiet", "--defaults", "--vcs-ref", "HEAD",
            "--data-file", str(data), *arguments,
        ],
        # The source is named relative to it.
        cwd=checkout.folder.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"copier {command} failed: {done.stderr.strip() or done.stdout.strip()}")
