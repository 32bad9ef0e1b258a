"""From the git address of an application to its answer in the cluster, with one command."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from bringing.make_up import made_up
from harness.cluster.release import Target

UP_SECONDS = 180
"""With the packages and base images in the caches. On two cores it was 34 s, most of it the rollout."""

GUESTBOOK = """
from flask import Flask

from guestbook import pages


def create_app(test_config=None):
    app = Flask(__name__)
    app.config.from_mapping(test_config or {})
    app.register_blueprint(pages.bp)
    return app
"""
PAGES = """
import humanize
from flask import Blueprint

bp = Blueprint("pages", __name__)


@bp.get("/")
def index():
    return f"{humanize.intcomma(1234567)} guests"
"""


@pytest.fixture
def address(tmp_path: Path) -> str:
    """The git address of an application of two modules, as a tutorial would have it."""
    folder = tmp_path / "guestbook"
    (folder / "guestbook").mkdir(parents=True)
    (folder / "guestbook" / "__init__.py").write_text(GUESTBOOK)
    (folder / "guestbook" / "pages.py").write_text(PAGES)
    (folder / "requirements.txt").write_text("flask\nhumanize\n")
    git = ["git", "-C", str(folder), "-c", "user.name=guest", "-c", "user.email=guest@example.org"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "Guests"]):
        subprocess.run([*git, *arguments], check=True)
    return f"file://{folder}"


def test_an_application_answers_within_3_minutes_of_its_git_address(
    target: Target, namespace: str, address: str, tmp_path: Path
) -> None:
    if not target.is_kind:
        pytest.skip("make up is for kind clusters")
    began = time.monotonic()
    with made_up(target, namespace, address, tmp_path / "log") as url:
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read() == b"1,234,567 guests"
        seconds = time.monotonic() - began
    print(f"{seconds:.0f} s")
    assert seconds <= UP_SECONDS
