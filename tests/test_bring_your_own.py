"""A stranger brings an application by its folder alone, as the README says, and nothing in the folder changes."""

import json
import os
import re
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


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The repository: far from this one, and its name has a blank."""
    folder = tmp_path / "my shop"
    (folder / "src" / "shop").mkdir(parents=True)
    (folder / "src" / "shop" / "__init__.py").write_text(SHOP)
    (folder / "requirements.txt").write_text("humanize\nflask==3.0.3\ngunicorn==20.1.0\n")
    return folder


@pytest.fixture(scope="module")
def made() -> list[str]:
    """Options by which make takes the environment of these tests for that of the tools, which has all of it."""
    tools = ROOT / "build" / "venv" / "tools"
    if not (tools / "complete").exists():
        subprocess.run(["make", "-C", str(ROOT), "build/venv/tools/complete"], check=True, env=environment())
    return ["--old-file=build/venv/tools/complete", "--old-file=.venv/development"]


def make(made: list[str], *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in this checkout."""
    return subprocess.run(
        ["make", "-C", str(ROOT), *made, *arguments],
        env={**environment(), **variables}, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_found_is_printed_with_its_places(shop: Path, made: list[str]) -> None:
    before = content(shop)
    told = make(made, "detect", f"APP={shop}")
    assert told.returncode == 0, told.stderr
    assert "shop:create_app() (Flask)" in told.stdout
    assert "src/shop/__init__.py:4" in told.stdout
    assert "requirements.txt" in told.stdout
    assert content(shop) == before


def test_what_is_found_is_written_on_request_and_read_again(shop: Path, made: list[str]) -> None:
    assert make(made, "detect", f"APP={shop}", "WRITE=1").returncode == 0
    file = shop / "flask-app.toml"
    assert 'serve = "shop:create_app()"' in file.read_text()
    file.write_text(f'health = "/"\n{file.read_text()}')
    told = make(made, "detect", f"APP={shop}")
    assert told.returncode == 0, told.stderr
    assert re.search(r"health check +/ +flask-app\.toml", told.stdout), told.stdout


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, made: list[str]) -> None:
    for target in ("detect", "run", "image", "lock"):
        refused = make(made, target, f"APP={tmp_path}/nowhere")
        assert refused.returncode != 0
        assert f"{tmp_path}/nowhere" in refused.stderr, refused.stderr


@pytest.mark.parametrize("target", ["detect", "values", "eject", "new", "update", "live"])
def test_a_target_that_needs_an_application_asks_for_it(made: list[str], target: str) -> None:
    refused = make(made, target)
    assert refused.returncode != 0
    assert f"which application? make {target} APP=../shop" in refused.stderr


def test_its_requirements_are_pinned_with_those_of_nodrop_and_what_gives_way_is_told(
    shop: Path, made: list[str]
) -> None:
    before = content(shop)
    done = make(made, "lock", f"APP={shop}")
    assert done.returncode == 0, done.stderr
    pins = Path(done.stdout.split("Locked in ")[1].split(". KEEP=1")[0]).read_text()
    assert "\nflask==3.0.3 " in pins
    for name in ("humanize", "gunicorn", "prometheus-flask-exporter"):
        assert f"\n{name}==" in f"\n{pins}"
    assert "gunicorn==20" not in pins
    assert "replaces 20.1.0, which requirements.txt:3 requires" in done.stderr
    assert content(shop) == before


def test_make_run_serves_it_and_writes_nothing_into_its_folder(shop: Path, made: list[str], tmp_path: Path) -> None:
    before = content(shop)
    port, management = free_port(), free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            ["make", "-C", str(ROOT), *made, "run", f"PORT={port}", f"APP={shop}"],
            env={**environment(), "MANAGEMENT_PORT": str(management), "PYTHONPATH": ""},
            stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, management, tmp_path / "log")
    try:
        until("it serves", lambda: server.is_ready() or process.poll() is not None, timeout=150)
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert server.get("/").json() == {"shop": "1,234,567"}
        assert server.get("/nowhere").headers["content-type"] == "application/problem+json"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    assert content(shop) == before


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A folder with a docker that succeeds and writes down what it was asked to build."""
    (tmp_path / "docker").write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"if sys.argv[1] == 'build': json.dump(sys.argv[2:], open({str(tmp_path / 'asked')!r}, 'w'))\n"
        "if '--iidfile' in sys.argv: open(sys.argv[sys.argv.index('--iidfile') + 1], 'w').write('sha256:0')\n"
    )
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def test_make_image_builds_it_in(shop: Path, made: list[str], docker: Path) -> None:
    before = content(shop)
    built = make(made, "image", f"APP={shop}", "IMAGE=shop:1", PATH=f"{docker}:{os.environ['PATH']}")
    assert built.returncode == 0, built.stderr
    asked = json.loads((docker / "asked").read_text())
    assert asked[asked.index("--tag") + 1] == "shop:1"
    assert {"WSGI_APP=shop:create_app()", "APP_DIR=srv", "TITLE=my-shop"} <= set(asked)
    context = Path(asked[-1])
    assert (context / "srv" / "src" / "shop" / "__init__.py").read_text() == SHOP
    assert content(shop) == before
    shutil.rmtree(context)


def test_the_linter_of_the_project_leaves_an_application_beside_app_alone() -> None:
    listed = subprocess.run(
        [Path(sys.prefix) / "bin" / "ruff", "check", ".", "--show-files"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    folders = {Path(file).relative_to(ROOT).parts[0] for file in listed}
    assert folders == {"pyproject.toml", "app", "bench", "delivery", "k8s-tests", "nodrop", "scripts", "tests"}


def test_the_example_is_built_from_the_checkout_itself(made: list[str], docker: Path) -> None:
    assert make(made, "image", PATH=f"{docker}:{os.environ['PATH']}").returncode == 0
    asked = json.loads((docker / "asked").read_text())
    assert asked[-1] == str(ROOT)
    assert not any(each.startswith(("APP_DIR=", "WSGI_APP=")) for each in asked)
