"""`nodrop check`: what is in effect, and what is wrong, without ever showing a secret."""

import os
import re
import secrets
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from nodrop.config.settings import ServingSettings
from tests.serving_process import COVERAGE, ROOT, command, environment


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `nodrop` with these variables, and nothing that a shell may have set."""
    return run_in(ROOT, *arguments, **variables)


def run_in(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same in this folder."""
    kept = ("PATH", "HOME", "LANG", COVERAGE)
    base = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "nodrop", *arguments],
        cwd=folder, env={**base, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


KEY = "hush-0123456789abcdef-hush-hush!"


def rows(output: str) -> dict[str, tuple[str, str]]:
    """The settings under their headings: value and origin by variable."""
    cells = [re.split(r"  +", line.strip()) for line in output.splitlines() if line.startswith("  ")]
    assert all(len(row) == 3 for row in cells), output
    return {name: (value, origin) for name, value, origin in cells}


def test_what_keeps_the_server_from_starting_is_told_all_at_once_opentelemetry_included(tmp_path: Path) -> None:
    variables = {"PORT": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}
    checked = run("check", **variables)
    assert checked.returncode == 1
    assert "PORT='x'" in checked.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4318' can't be accepted" in checked.stderr
    started = subprocess.run(
        command(), cwd=tmp_path, env=environment(**variables), capture_output=True, text=True, timeout=30, check=False
    )
    assert started.returncode != 0
    assert all(line in started.stdout + started.stderr for line in checked.stderr.splitlines())


@pytest.mark.parametrize("words", [("check",), ("run", "--", "true"), ("dev",)])
def test_a_number_of_workers_that_gunicorn_has_a_traceback_for_is_told_in_a_line(words: tuple[str, ...]) -> None:
    done = run(*words, WEB_CONCURRENCY="auto")
    assert done.returncode == 1
    assert done.stderr.startswith("WEB_CONCURRENCY='auto' can't be accepted")
    assert done.stderr.count("\n") == 1
    if words != ("dev",):  # which would serve
        assert run(*words, WEB_CONCURRENCY="").returncode == 0


def test_files_in_a_folder_that_is_called_secrets_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "secrets" / "app-2"
    folder.mkdir(parents=True)
    (folder / "SECRET_KEY").write_text("correct horse battery staple, 32 bytes of it at least")
    done = run("check", SECRETS_DIR=str(folder))
    assert rows(done.stdout)["SECRET_KEY"] == ("********", str(folder / "SECRET_KEY"))
    (folder / "SECRET_KEY").write_text("too-short-a-key")
    (folder / "LD_PRELOAD").write_text("/hush.so")
    variables = {"SECRETS_DIR": str(folder), "URL_PREFIX_FILE": "/"}
    started = subprocess.run(
        command(), cwd=tmp_path, env=environment(**variables), capture_output=True, text=True, timeout=30, check=False
    )
    for stderr in (run("check", **variables).stderr, started.stderr):
        assert f"SECRET_KEY (from {folder}/SECRET_KEY) can't be accepted" in stderr
        assert f"SECRETS_DIR: '{folder}/LD_PRELOAD' can't be accepted: a secret never sets LD_PRELOAD" in stderr
        assert "too-short-a-key" not in stderr


def test_every_setting_is_printed_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "SECRET_KEY").write_text(secrets.token_hex())
    done = run("check", PORT="80", MAX_BODY_BYTES="1048576", GRACEFUL_TIMEOUT="10", SECRETS_DIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    printed = rows(done.stdout)
    assert printed.keys() == {each.variable for each in ServingSettings.declarations().values()}
    headings = [line for line in done.stdout.splitlines() if line and not line.startswith(("  ", "set from"))]
    assert headings == list(ServingSettings.groups())
    assert printed["PORT"] == ("80", "environment")
    assert printed["MANAGEMENT_PORT"] == ("5001", "default")
    assert printed["STALL_TIMEOUT"] == ("40", "default (4 x GRACEFUL_TIMEOUT)")
    # Without the Markdown of the page.
    assert printed["BIND_ADDRESS"][1] == "default (::, or 0.0.0.0 without IPv6)"
    assert printed["MAX_BODY_BYTES"] == ("1Mi", "environment")
    assert printed["SECRET_KEY"] == ("********", str(tmp_path / "SECRET_KEY"))
    assert rows(run("check").stdout)["SECRET_KEY"] == ("(not set)", "default")


def test_a_secret_is_masked_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "SECRET_KEY").write_text(KEY + "\n")
    (tmp_path / "DATABASE_URL").write_text("postgres://hush\n")
    path = str(tmp_path / "SECRET_KEY")
    for origin, name, value in [
        ("environment", "SECRET_KEY", KEY),
        (path, "SECRET_KEY_FILE", path),
        (path, "SECRETS_DIR", str(tmp_path)),
    ]:
        done = run("check", **{name: value})
        assert rows(done.stdout)["SECRET_KEY"] == ("********", origin)
        assert "hush" not in done.stdout + done.stderr
        assert ("for the application: DATABASE_URL" in done.stdout) == (name == "SECRETS_DIR")


def test_every_problem_is_listed_and_the_exit_status_is_1(tmp_path: Path) -> None:
    (tmp_path / "BINARY").write_bytes(b"\xff")
    done = run("check", PORT="5001", WEB_THREADS="many", SECRET_KEY="a\nhush", SECRETS_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert [re.split(r"[= :]", line)[0] for line in done.stderr.splitlines()] == [
        "SECRETS_DIR", "WEB_THREADS", "SECRET_KEY", "MANAGEMENT_PORT",
    ]  # fmt: skip
    assert "hush" not in done.stderr


def test_a_likely_typo_gets_a_warning_and_other_variables_do_not() -> None:
    typos = {"WEB_THREAD": "3", "LOGLEVEL": "x", "web_threads": "3", "SECRET_KEYFILE": "/x", "PORT_FILE": "/x"}
    others = {
        "DATABASE_URL": "x",
        "LOGNAME": "x",
        "LOG_FILE": "x",
        "PYTHONUNBUFFERED": "1",
        "OTEL_SERVICE_NAME": "x",
        "TZ": "UTC",
    }
    done = run("check", **typos, **others)
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == [
        "warning: LOGLEVEL is not a setting of the server: if it is meant to be one, set LOG_LEVEL",
        "warning: PORT_FILE is not read: only a secret can be given as a file of its own",
        "warning: SECRET_KEYFILE is not a setting: is SECRET_KEY_FILE meant?",
        "warning: WEB_THREAD is not a setting: is WEB_THREADS meant?",
        "warning: web_threads is not a setting: is WEB_THREADS meant?",
    ]


# --- With the application -------------------------------------------------------------------------------------------


def application(folder: Path, code: str) -> dict[str, str]:
    """The variables of an application with this code."""
    (folder / "shop.py").write_text(code)
    return {"WSGI_APP": "shop:app", "PYTHONPATH": f"{ROOT}:{folder}"}


def test_the_application_is_not_loaded_unless_asked_for(tmp_path: Path) -> None:
    assert run("check", **application(tmp_path, "raise SystemExit(3)")).returncode == 0


def test_the_application_and_its_checks_are_loaded_on_demand(tmp_path: Path) -> None:
    variables = application(tmp_path, "import flask\napp = flask.Flask(__name__)\ndef database(): pass\n")
    done = run("check", "--app", READINESS_CHECKS="shop:database", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nloaded shop:app, and shop:database\n")


def test_a_module_is_not_missed_in_the_folder_of_the_commands(tmp_path: Path) -> None:
    """Python puts the folder of a command that it is started with on its path."""
    commands = sysconfig.get_path("scripts")
    done = run_in(tmp_path, "check", "--app", WSGI_APP="gone:app", PYTHONPATH=f"{ROOT}:{commands}")
    assert "there is no module 'gone' in " in done.stderr
    assert str(tmp_path) in done.stderr
    assert commands not in done.stderr


def test_an_application_that_no_setting_names_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text(FLASK)
    done = run_in(tmp_path, "check", "--app")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"\nloaded the application from {tmp_path / 'wsgi.py'}\n")
    done = run_in(tmp_path, "check", "--app", FLASK_APP="wsgi:app")
    assert done.stdout.endswith("\nloaded the application from FLASK_APP=wsgi:app\n")


FLASK = "import flask\napp = flask.Flask(__name__)\n"


@pytest.mark.parametrize(
    ("code", "variables", "said"),
    [
        (FLASK, {"WSGI_APP": "gone:app"}, "WSGI_APP=gone:app can't be loaded: there is no module 'gone' in"),
        (FLASK, {"WSGI_APP": "shop:ap"}, "/shop.py) has no 'ap': did you mean app?"),
        (
            "def f():\n  1/0\nf()",
            {},
            "WSGI_APP=shop:app can't be loaded: ZeroDivisionError: division by zero\n  in f, ",
        ),
        (
            "raise SystemExit('no database')",
            {},
            "WSGI_APP=shop:app can't be loaded: its own code ended the process: no database",
        ),
        ("app =", {}, "WSGI_APP=shop:app can't be loaded: SyntaxError: invalid syntax (shop.py, line 1)"),
        ("", {"WSGI_APP": "app:create_app()", "LOAD_ENDPOINTS": "x"}, "LOAD_ENDPOINTS='x' can't be accepted"),
        (
            FLASK,
            {"READINESS_CHECKS": "shop:gone"},
            "READINESS_CHECKS=shop:gone can't be loaded: shop (",
        ),
        (
            FLASK,
            {"READINESS_CHECKS": "gone:f"},
            "READINESS_CHECKS=gone:f can't be loaded: there is no module 'gone' in ",
        ),
        (FLASK + "n = 1", {"READINESS_CHECKS": "shop:n"}, "READINESS_CHECKS=shop:n is of type int, not a function"),
    ],
)
def test_what_can_not_be_loaded_is_told_without_a_traceback(
    tmp_path: Path, code: str, variables: dict[str, str], said: str
) -> None:
    done = run("check", "--app", **{**application(tmp_path, code), **variables})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_in_the_applications_own_error_is_masked(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "DATABASE_URL").write_text("postgres://hush\n")
    code = "import os\nraise RuntimeError(f'no way to {os.environ[\"DATABASE_URL\"]}')"
    done = run("check", "--app", SECRETS_DIR=str(tmp_path / "secrets"), **application(tmp_path, code))
    assert "RuntimeError: no way to ********\n" in done.stderr
    assert "hush" not in done.stdout + done.stderr


# --- The command line -----------------------------------------------------------------------------------------------


def test_help_says_what_there_is() -> None:
    assert "check" in run("--help").stdout
    assert "--app" in run("check", "--help").stdout


def test_no_command_is_an_error() -> None:
    assert run().returncode == 2
