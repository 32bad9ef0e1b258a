"""Small repositories, and what a test says of them instead of detecting it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from delivery.detection.description import Dependencies, Description, Found, Served, Style, Surroundings
from delivery.ejection.answers import Parts
from tests.serving_process import ROOT

APP = """
from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    return "the shop"
"""
USED = ("copier.yml", "delivery/template", "charts/flask-app", "nodrop", "pyproject.toml", "LICENSE")
OF_THE_CHART = ("Chart.yaml", "default-values.yaml", "icon.svg", "deployment.yaml")
PIN = f"flask==3.1.3 \\\n    --hash=sha256:{'0' * 64}\n"


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """What git prints, as somebody whose configuration is empty."""
    identity = {
        f"GIT_{role}_{what}": f"{what.lower()}@example"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **identity, **variables}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path, *, date: str = "2033-01-02T03:04:05Z") -> Path:
    """Commit all that is in the folder, which becomes a repository if it is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a change", GIT_COMMITTER_DATE=date)
    return folder


def checkout(folder: Path, *, whole: bool = False) -> Path:
    """A checkout of nodrop, committed as it stands here, with what the written files are made from.

    whole: with all of the chart, of which each file takes time.
    """
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *USED)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists() and (whole or "flask-app/" not in name or name.endswith(OF_THE_CHART)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    # Two commits, so that there is an earlier version.
    (folder / "LICENSE").rename(folder.with_name("LICENSE"))
    commit(folder)
    folder.with_name("LICENSE").rename(folder / "LICENSE")
    return commit(folder)


def write(folder: Path, files: dict[str, str]) -> Path:
    """The folder, with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def described(folder: Path, surroundings: Surroundings | None = None, **dependencies: object) -> Description:
    """A Flask application in app.py with a requirements.txt."""
    facts: dict[str, object] = {
        "style": Style.REQUIREMENTS, "files": ("requirements.txt",), "place": "requirements.txt",
        "python": Found("3.13", "default"), "is_package": False, **dependencies,
    }  # fmt: skip
    served = Found(Served("app:app", ".", "Flask"), "app.py:4")
    return Description(folder, "shop", served, Dependencies(**facts), surroundings or Surroundings())  # type: ignore[arg-type]


@dataclass(frozen=True)
class Lock:
    """What is known of a lock."""

    notes: tuple[str, ...] = ()
    apt: tuple[Found[str], ...] = ()
    apt_build: tuple[Found[str], ...] = ()
    pip_conf: str = ""


def parts(lock: str = PIN, values: str = "# app.py:4\nconfig:\n  CURRENCY: EUR\n", place: str = ".") -> Parts:
    """Parts that say this of every application."""

    def write_lock(description: Description, folder: Path) -> Lock:
        (folder / "requirements.txt").write_text(lock)
        return Lock(apt=description.dependencies.apt, apt_build=description.dependencies.apt_build)

    return Parts(write_lock, lambda _, __: values, lambda _: place)


def content(folder: Path) -> dict[str, bytes]:
    """Every file and its content, but git's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
