"""`nodrop run`, `nodrop dev` and the command line itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodrop import __version__
from tests.serving_process import ROOT, free_port, measured, request, until
from tests.test_check import run

NODROP = [sys.executable, "-m", "nodrop"]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """What a command in `folder` needs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**measured(), "PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT), **variables}


def run_in(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`nodrop run` in `folder`."""
    return subprocess.run(
        [*NODROP, "run", *command],
        cwd=folder, env=environment(folder, **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def printing(*names: str) -> tuple[str, ...]:
    """A command that prints these variables, a line each."""
    return ("--", "python", "-c", f"import os\nfor name in {names}: print(os.environ.get(name))")


# --- The environment ------------------------------------------------------------------------------------------------


def test_a_command_finds_the_mounted_secrets_as_the_application_does(tmp_path: Path) -> None:
    (tmp_path / "DATABASE_URL").write_text("postgres://hush\n")
    (tmp_path / "SET").write_text("from the folder\n")
    done = run_in(tmp_path, *printing("DATABASE_URL", "SET"), SECRETS_DIR=str(tmp_path), SET="already")
    assert (done.stdout, done.stderr, done.returncode) == ("postgres://hush\nalready\n", "", 0)


MIGRATED = """
import os
from flask import Flask

def create_app(kind="none"):
    app = Flask(__name__)

    @app.cli.command("migrate")
    def migrate():
        print("migrated", kind, os.environ["DATABASE_URL"])

    return app
"""


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"WSGI_APP": "shop:create_app()"}, "none"),
        ({"WSGI_APP": "shop:create_app('blue')"}, "blue"),
        ({"WSGI_APP": "shop"}, "none"),
        ({"WSGI_APP": "other:app", "FLASK_APP": "shop:create_app('own')"}, "own"),
    ],
)
def test_flask_finds_the_application_that_is_served(tmp_path: Path, variables: dict[str, str], kind: str) -> None:
    (tmp_path / "shop.py").write_text(MIGRATED)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "DATABASE_URL").write_text("postgres://db")
    done = run_in(tmp_path, "--", "flask", "migrate", SECRETS_DIR=str(tmp_path / "secrets"), **variables)
    assert done.stdout == f"migrated {kind} postgres://db\n", done.stderr


def test_flask_finds_an_application_that_nothing_names_by_itself(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MIGRATED)
    assert run_in(tmp_path, "--", "flask", "migrate", DATABASE_URL="x").stdout == "migrated none x\n"
    assert run_in(tmp_path, *printing("FLASK_APP"), WSGI_APP="shop:site.app").stdout == "None\n"


# --- The process ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [["--"], []])
def test_the_exit_status_is_the_commands(tmp_path: Path, separator: list[str]) -> None:
    assert run_in(tmp_path, *separator, "sh", "-c", "exit 7").returncode == 7


def test_arguments_reach_the_command_as_they_are(tmp_path: Path) -> None:
    words = ["-x", "--app", "", "a b", "--", "*", "--help"]
    done = run_in(tmp_path, "--", "python", "-c", "import sys; print(sys.argv[1:])", *words)
    assert done.stdout == f"{words}\n"


def test_signals_reach_the_command_since_it_is_the_same_process(tmp_path: Path) -> None:
    code = "trap 'exit 9' TERM; echo $$ > started; while :; do sleep 0.05; done"
    process = subprocess.Popen([*NODROP, "run", "--", "sh", "-c", code], cwd=tmp_path, env=environment(tmp_path))
    started = tmp_path / "started"
    try:
        until("it has started", lambda: started.exists() and started.read_text().strip() != "")
        assert int(started.read_text()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 9
    finally:
        process.kill()
        process.wait()


def test_a_command_whose_reader_has_gone_ends(tmp_path: Path) -> None:
    """Python ignores SIGPIPE, and a command that inherited that would go on for ever, or fail."""
    done = run_in(tmp_path, "--", "sh", "-c", "(yes; echo status $? >&2) | head -1")
    assert (done.stdout, done.stderr) == ("y\n", f"status {128 + signal.SIGPIPE}\n")


# --- What is said when it can't be run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ((), 1, "nodrop run needs a command, such as: nodrop run -- flask db upgrade\n"),
        (("--",), 1, "nodrop run needs a command, such as: nodrop run -- flask db upgrade\n"),
        (("--", "-x"), 1, "nodrop run has no option -x: put -- before the command"),
        (("--", "no-such-command"), 127, "there is no command 'no-such-command': is it installed, and its folder on"),
        (("--", "./plain"), 126, "nodrop run: './plain' can't be run: Permission denied\n"),
        (("--", "/etc"), 126, "nodrop run: '/etc' can't be run: Permission denied\n"),
    ],
)
def test_a_command_that_can_not_be_run_is_told_in_a_line(
    tmp_path: Path, command: tuple[str, ...], status: int, said: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    done = run_in(tmp_path, *command)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nothing_is_run_where_the_server_could_not_start(tmp_path: Path) -> None:
    done = run_in(tmp_path, "--", "touch", "ran", PORT="x", SECRETS_DIR="/nowhere")
    assert done.returncode == 1
    assert [line.partition("=")[0] for line in done.stderr.splitlines()] == ["SECRETS_DIR", "PORT"]
    assert not (tmp_path / "ran").exists()


# --- The command line -----------------------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"nodrop {__version__}\n"


@pytest.mark.parametrize("command", ["check", "check --app", "--help"])
def test_a_reader_that_leaves_early_brings_no_traceback(tmp_path: Path, command: str) -> None:
    """As with `nodrop check | head -1`, but surely early."""
    (tmp_path / "app.py").write_text("import flask\napp = flask.Flask(__name__)\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*NODROP, *command.split()],
            cwd=tmp_path, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.stderr, done.returncode) == (b"", 141)


def test_every_command_says_what_it_does() -> None:
    listed = run("--help").stdout
    for command in ("check", "run", "dev"):
        assert f"\n    {command} " in listed
        assert "show this help" in run(command, "--help").stdout


def test_dev_serves_the_application_of_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import flask\napp = flask.Flask('a')\n@app.get('/')\ndef f(): return 'dev'\n")
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*NODROP, "dev"], cwd=tmp_path, env=environment(tmp_path, PORT=str(port)), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                assert request(port, "/").body == b"dev"
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_check_takes_the_application_as_an_argument(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import flask\napp = flask.Flask(__name__)\n")
    done = run("check", "shop:app", PYTHONPATH=f"{ROOT}:{tmp_path}", WSGI_APP="gone:app")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nloaded shop:app\n")
