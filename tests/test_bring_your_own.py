"""A stranger brings an application, as the README says: a folder, its requirements, one setting, and no file edited."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving_process import ROOT, Server, environment, free_port, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

SHOP = """
import flask, humanize

def create_app():
    app = flask.Flask(__name__)

    @app.get("/")
    def index():
        return {"shop": humanize.intcomma(1234567)}

    return app
"""
WSGI_APP = "shop:create_app()"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with a folder `shop` beside app/."""
    copy = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    # What `make lock` needs is there already; for it to be made again would take a minute.
    (copy / ".venv").symlink_to(Path(sys.prefix))
    (copy / "shop").mkdir()
    (copy / "shop" / "__init__.py").write_text(SHOP)
    (copy / "shop" / "requirements.txt").write_text("humanize\n")
    return copy


def make(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the copy, with the development environment taken as it is."""
    return subprocess.run(
        ["make", "-C", str(project), "--old-file=.venv/development", *arguments],
        env={**environment(), **variables}, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def locked(project: Path) -> Path:
    """The copy after `make lock`."""
    done = make(project, "lock", "APP_DIR=shop")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder with a docker that succeeds and writes down what it was asked to build."""
    (tmp_path / "docker").write_text(f'#!/bin/sh\n[ "$1" = build ] && printf "%s\\n" "$@" > {tmp_path}/asked\nexit 0\n')
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def test_a_folder_that_is_not_there_is_named(project: Path) -> None:
    refused = make(project, "run", "APP_DIR=nowhere")
    assert refused.returncode != 0
    assert "APP_DIR=nowhere is not a folder in" in refused.stderr


def test_requirements_that_are_not_pinned_are_refused_with_the_remedy(project: Path, docker: Path) -> None:
    (project / "other").mkdir(exist_ok=True)
    (project / "other" / "requirements.in").write_text("humanize\n")
    for target in ("run", "dev", "image"):
        refused = make(project, target, "APP_DIR=other", PATH=f"{docker}:{os.environ['PATH']}")
        assert refused.returncode != 0
        assert "the requirements of other are not pinned yet: make lock APP_DIR=other" in refused.stderr
    assert not (docker / "asked").exists()


def test_its_requirements_are_pinned_with_those_of_the_serving_layer_and_nothing_else_changes(locked: Path) -> None:
    pins = (locked / "shop" / "requirements.lock").read_text()
    for name in ("humanize", "flask", "gunicorn", "prometheus-flask-exporter"):
        assert f"\n{name}==" in pins
    assert pins.count("--hash=sha256:") > 20
    # And with none of the example's.
    assert "nodrop (pyproject.toml)" in pins
    assert "requirements.in" not in pins
    for name in ("requirements.in", "requirements.txt", "requirements-dev.txt", "Dockerfile", "Makefile"):
        assert (locked / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("named", [[f"WSGI_APP={WSGI_APP}"], []], ids=["named", "by its folder alone"])
def test_make_run_serves_it_with_its_requirements(locked: Path, named: list[str]) -> None:
    port, management = free_port(), free_port()
    with (locked / "log").open("w") as log:
        process = subprocess.Popen(
            ["make", "-C", str(locked), "run", f"PORT={port}", "APP_DIR=shop", *named],
            env={**environment(), "MANAGEMENT_PORT": str(management), "PYTHONPATH": ""},
            stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, management, locked / "log")
    try:
        until("it serves", lambda: server.is_ready() or process.poll() is not None, timeout=150)
        assert process.poll() is None, (locked / "log").read_text()
        assert server.get("/").json() == {"shop": "1,234,567"}
        assert server.get("/nowhere").headers["content-type"] == "application/problem+json"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


@pytest.mark.parametrize("by", ["arguments", "environment"])
def test_make_image_builds_it_in(locked: Path, docker: Path, by: str) -> None:
    """By the environment: that is how the make that `make up` starts is told."""
    variables = {"APP_DIR": "shop", "WSGI_APP": WSGI_APP}
    path = f"{docker}:{os.environ['PATH']}"
    arguments = [f"{name}={value}" for name, value in variables.items()] if by == "arguments" else []
    built = make(locked, "image", *arguments, PATH=path, **(variables if by == "environment" else {}))
    assert built.returncode == 0, built.stderr
    asked = (docker / "asked").read_text().splitlines()
    assert {"APP_DIR=shop", "REQUIREMENTS=shop/requirements.lock", f"WSGI_APP={WSGI_APP}"} <= set(asked)


@pytest.mark.parametrize("folder", ["shop", "shop/", "./shop"])
def test_an_application_that_is_not_named_is_the_package_in_its_folder(locked: Path, docker: Path, folder: str) -> None:
    built = make(locked, "image", f"APP_DIR={folder}", PATH=f"{docker}:{os.environ['PATH']}")
    assert built.returncode == 0, built.stderr
    assert "WSGI_APP=shop" in (docker / "asked").read_text().splitlines()
    developed = make(locked, "--dry-run", "dev", f"APP_DIR={folder}")
    assert "WSGI_APP='shop'" in developed.stdout


def test_the_folder_of_the_example_is_found_as_without_a_name(project: Path, docker: Path) -> None:
    assert make(project, "image", "APP_DIR=app", PATH=f"{docker}:{os.environ['PATH']}").returncode == 0
    assert "WSGI_APP" not in (docker / "asked").read_text()


def test_the_linter_of_the_project_leaves_it_alone(project: Path) -> None:
    (project / "shop" / "styled.py").write_text("import os, sys\nx = lambda: None\n")
    ruff = Path(sys.prefix) / "bin" / "ruff"
    listed = subprocess.run(
        [ruff, "check", ".", "--show-files"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {Path(file).relative_to(project).parts[0] for file in listed}
    assert folders == {"pyproject.toml", "app", "bench", "k8s-tests", "nodrop", "scripts", "tests"}


def test_the_example_is_built_without_any_of_it(project: Path, docker: Path) -> None:
    assert make(project, "image", PATH=f"{docker}:{os.environ['PATH']}").returncode == 0
    asked = (docker / "asked").read_text()
    assert not any(name in asked for name in ("APP_DIR", "REQUIREMENTS", "WSGI_APP"))
