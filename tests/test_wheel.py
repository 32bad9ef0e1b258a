"""The wheel, installed alone with the lowest and with the highest versions that it allows, serves an application from a
folder that has nothing else in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving_process import ROOT, Server, free_port, until

# The first test waits until the packages are installed, some of them from source.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheel` builds."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        ["make", "-C", str(ROOT), "--old-file=.venv/runtime", "wheel", f"WHEELS={folder}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (path,) = folder.iterdir()
    assert str(path) in built.stdout
    return path


@pytest.fixture(scope="session", params=["lowest", "highest"])
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder of the programs of a new environment, in which only the wheel and what it asks for is installed."""
    folder = tmp_path_factory.mktemp(request.param) / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = str(folder / "bin" / "python")
    installed = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "--resolution", request.param, str(wheel)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode:
        pytest.skip(f"the packages can't be installed: {installed.stderr.strip()[-500:]}")
    return folder / "bin"


def bare(programs: Path, **variables: str) -> dict[str, str]:
    """An environment with these programs first and nothing that a shell or the checkout may have set."""
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/nonexistent", "LANG": "C.UTF-8", **variables}


def run(programs: Path, folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of the programs in `folder`."""
    return subprocess.run(
        [str(programs / command[0]), *command[1:]],
        cwd=folder, env=bare(programs, **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@contextmanager
def serving(programs: Path, folder: Path, *arguments: str, **variables: str) -> Iterator[Server]:
    """Serve what is in `folder` as its user would, and wait until it is ready."""
    port, management = free_port(), free_port()
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(programs / "gunicorn"), "--config", "python:nodrop.gunicorn", *arguments],
            cwd=folder, env=bare(programs, PORT=str(port), MANAGEMENT_PORT=str(management), **variables),
            stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, management, log)
    try:
        until("it is ready", lambda: server.is_ready() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


APP = """
from flask import Flask

app = Flask(__name__)

@app.route("/")
def index():
    return "served"

@app.route("/broken")
def broken():
    raise ValueError("hush")
"""
PACKAGE = {
    "app/__init__.py": "from flask import Flask\n\napp = Flask(__name__)\n\nfrom app import routes\n",
    "app/routes.py": APP.replace("from flask import Flask\n\napp = Flask(__name__)", "from app import app"),
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder, with room for the log beside it."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


# --- What is in it --------------------------------------------------------------------------------------------------


def test_the_wheel_holds_nodrop_with_its_types_and_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (licence,) = [name for name in names if name.endswith("/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    of_package = {name for name in names if name.startswith("nodrop/")}
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "nodrop", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert of_package == {name for name in tracked if (ROOT / name).is_file()}
    assert "nodrop/py.typed" in of_package
    others = {name.partition("/")[0] for name in names if name not in of_package}
    assert {re.sub(r"-[\d.]+\.", "-*.", name) for name in others} == {"nodrop-*.dist-info"}


def test_it_comes_from_the_environment_it_is_installed_in(programs: Path, empty: Path) -> None:
    found = run(programs, empty, "python", "-I", "-c", "import nodrop, sys; print(nodrop.__file__, *sys.path)")
    assert found.stdout.startswith(f"{programs.parent}/lib/")
    assert str(ROOT) not in found.stdout.removeprefix(str(programs.parent))


# --- The server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "arguments", "variables"),
    [
        ({"app.py": APP}, [], {}),
        (PACKAGE, [], {}),
        ({"shop.py": APP}, ["shop:app"], {}),
        ({"shop.py": APP}, [], {"WSGI_APP": "shop:app"}),
    ],
    ids=["app.py", "the package app", "shop:app", "WSGI_APP=shop:app"],
)
def test_an_application_is_served_from_a_folder_of_its_own(
    programs: Path, empty: Path, files: dict[str, str], arguments: list[str], variables: dict[str, str]
) -> None:
    with serving(programs, write(empty, files), *arguments, **variables) as server:
        assert server.get("/").body == b"served"
        for path, status in (("/nowhere", 404), ("/broken", 500)):
            answer = server.get(path)
            assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
            assert b"hush" not in answer.body
        counted = server.metrics()
        assert counted['flask_http_request_total{method="GET",status="500"}'] == 1
        assert sum(n for name, n in counted.items() if name.startswith("flask_http_request_exceptions_total{")) == 1
        warned = [entry["message"] for entry in server.log() if entry["level"] in ("warning", "critical")]
        # Asked too early.
        assert [message for message in warned if not message.startswith("not ready: ")] == []
        assert server.stop() == 0


@pytest.mark.parametrize("how", ["the working folder", "PYTHONPATH"])
def test_files_that_are_called_like_pythons_own_break_neither_the_server_nor_its_management(
    programs: Path, empty: Path, how: str
) -> None:
    # What Python and gunicorn themselves import can't be protected from a folder in PYTHONPATH.
    names = {"socketserver.py", "gzip.py", "platform.py", "wsgiref/__init__.py", "json.py", "mimetypes.py"}
    if how == "the working folder":
        names |= {"secrets.py", "queue.py", "http/__init__.py", "logging/__init__.py", "random.py", "gunicorn.py"}
    files = dict.fromkeys(names, "raise ImportError('this one was not meant')\n")
    # What is not Python's is the application's to have, whatever nodrop has by that name.
    files |= {"config.py": "WORD = 'served'\n", "app.py": "import config\n" + APP.replace('"served"', "config.WORD")}
    variables = {} if how == "the working folder" else {"PYTHONPATH": str(empty)}
    with serving(programs, write(empty, files), **variables) as server:
        assert server.get("/").body == b"served"
        assert server.manage("/metrics").status == 200
        assert server.stop() == 0


def test_a_folder_without_an_application_is_told(programs: Path, empty: Path) -> None:
    done = run(programs, empty, "gunicorn", "--config", "python:nodrop.gunicorn", PORT=str(free_port()))
    assert done.returncode != 0
    assert (
        "WSGI_APP is not set, and the application can't be loaded: there is neither wsgi.py nor app.py in "
        f"{empty}: start the server in the folder of the application, or set WSGI_APP to module:name"
    ) in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


# --- The commands ---------------------------------------------------------------------------------------------------


def test_the_commands_work_from_any_folder(programs: Path, empty: Path, tmp_path: Path) -> None:
    write(empty, {"app.py": APP})
    write(tmp_path, {"secrets/DATABASE_URL": "postgres://hush\n"})
    checked = run(programs, empty, "nodrop", "check", "--app")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith(f"\nloaded the application from {empty / 'app.py'}\n")
    assert run(programs, empty, "python", "-m", "nodrop", "check").returncode == 0
    assert re.fullmatch(r"nodrop \d+\.\d+\.\d+\n", run(programs, empty, "nodrop", "--version").stdout)
    assert "Flask " in run(programs, empty, "nodrop", "run", "--", "flask", "--version").stdout
    routes = run(programs, empty, "nodrop", "run", "--", "flask", "routes")
    assert "/broken" in routes.stdout, routes.stderr
    code = "import os; print(os.environ['DATABASE_URL'])"
    said = run(programs, empty, "nodrop", "run", "--", "python", "-c", code, SECRETS_DIR=str(tmp_path / "secrets"))
    assert said.stdout == "postgres://hush\n", said.stderr


# --- Its description ------------------------------------------------------------------------------------------------


def test_the_commands_of_its_description_install_it_with_pip(wheel: Path, tmp_path: Path) -> None:
    text = (ROOT / "nodrop" / "README.md").read_text()
    commands = [each.split("#")[0] for each in re.findall(r"pip install [^`\n]+", text)]
    assert len(commands) == 2
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "wheel").symlink_to(wheel.parent)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables["PATH"] = f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"
    for command in commands:
        installed = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        if "Retrying" in installed.stderr:
            pytest.skip(f"the packages can't be installed: {installed.stderr.strip()[-500:]}")
        assert installed.returncode == 0, installed.stderr
    listed = subprocess.run(["pip", "list"], env=variables, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^nodrop +\d", listed, re.MULTILINE)
    assert re.search(r"^opentelemetry-sdk +\d", listed, re.MULTILINE)
