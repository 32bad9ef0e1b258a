"""The image of an ejected repository is built where this checkout is not, and serves the application."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.detection.description import Description, Found, Served, Style, Surroundings
from delivery.ejection.eject import eject
from tests.serving_process import ROOT, free_port, until
from tests.template.repositories import Lock, described, parts, write

# The first build fetches packages, and copies the base image's layers.
pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

APP = """
import colorama
from importlib.metadata import version

from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    return f"served by nodrop {version('nodrop')} with colorama {colorama.__version__}"
"""
PACKAGE = {
    "pyproject.toml": """
[build-system]
requires = ["flit_core>=3.12,<4"]
build-backend = "flit_core.buildapi"
[project]
name = "shop"
version = "4.5.6"
description = "A shop"
dependencies = ["flask"]
""",
    "src/shop/__init__.py": """
from importlib.metadata import version
from pathlib import Path

import flask

def create_app(kind):
    app = flask.Flask(__name__)

    @app.get("/")
    def index():
        return f"{kind} shop {version('shop')}, {Path('/srv/built').read_text().strip()}"

    return app
""",
}


def lock(description: Description, folder: Path) -> Lock:
    """Pin what the application and nodrop need."""
    files = [str(description.folder / name) for name in description.dependencies.files]
    subprocess.run(
        [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--generate-hashes",
         "--no-emit-index-url", "--python-version", description.dependencies.python.value,
         "--output-file", str(folder / "requirements.txt"), str(ROOT / "pyproject.toml"), *files],
        check=True, capture_output=True,
    )  # fmt: skip
    return Lock()


@pytest.fixture(scope="module", autouse=True)
def docker() -> None:
    """Skip without a running Docker and the base image."""
    found = shutil.which("docker") and subprocess.run(
        ["docker", "image", "inspect", "python:3.13-slim"], capture_output=True, check=False
    )
    if not found or found.returncode:
        pytest.skip("needs a running Docker with the image python:3.13-slim")


@contextmanager
def built(folder: Path) -> Iterator[str]:
    """The image of a copy of the folder, built and locked by its own targets, from nothing else."""
    copy = shutil.copytree(folder, folder.with_name("elsewhere"))
    image = f"flask-app-ejected:test-{os.getpid()}"
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PIP_INDEX_URL") if name in os.environ}
    for arguments in (["lock"], ["image", f"IMAGE={image}"]):
        done = subprocess.run(
            ["make", "--file", "deploy/nodrop.mk", *arguments],
            cwd=copy, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    try:
        yield image
    finally:
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)


def answer(folder: Path, image: str) -> str:
    """What `/` answers, in a container that is started by `run`."""
    port = free_port()
    ran = subprocess.run(
        ["make", "--file", "deploy/nodrop.mk", "--just-print", "run", f"IMAGE={image}", f"PORT={port}"],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    command = ran.replace("docker run --rm --interactive", "docker run --rm --detach")
    container = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout.strip()
    try:
        said: list[str] = []

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                    said.append(response.read().decode())
            except OSError:
                return False
            return True

        until("it answers", answers, timeout=60)
        return said[0]
    finally:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)


def test_a_plain_application_is_built_and_served(nodrop: Path, tmp_path: Path) -> None:
    shop = write(
        tmp_path / "shop", {"app.py": APP, "requirements.txt": "flask\ncolorama==0.4.6\n", ".env": "A=secret\n"}
    )
    eject(described(shop), replace(parts(), lock=lock), root=nodrop)
    with built(shop) as image:
        assert answer(shop, image) == "served by nodrop 0.2.0 with colorama 0.4.6"
        inside = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint", "sh", image, "-c", "id -u; ls -A /srv /srv/deploy"],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
    assert inside[0] == "10001"
    assert not {".env", "Dockerfile", "chart", "values.yaml"} & {*inside}


def test_a_package_with_a_factory_and_a_build_step_is_built_and_served(nodrop: Path, tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", PACKAGE)
    step = Found("echo 'built with' $(flask --version | grep -c Flask) flask > built", "README.md")
    package = described(
        shop, Surroundings(build_steps=(step,)), style=Style.PYPROJECT, files=("pyproject.toml",), is_package=True
    )
    served = Found(Served("shop:create_app('my')", "src", "Flask"), "src/shop/__init__.py:7")
    eject(replace(package, served=served), replace(parts(), lock=lock), root=nodrop)
    with built(shop) as image:
        assert answer(shop, image) == "my shop 4.5.6, built with 1 flask"
