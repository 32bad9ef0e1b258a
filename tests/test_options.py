"""What people bring along from gunicorn: each option is honoured, or refused in one line that says what to do."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS

import options_docs
from nodrop.config.settings import ServingSettings
from nodrop.options import foreign_variables, given_options
from nodrop.options.table import named, option, spelling
from tests.serving_process import ROOT, Server, command, environment, free_port, own_application, serving, until

TELLING = """
import os, sys, flask
app = flask.Flask(__name__)
other = flask.Flask("other")
@app.get("/")
def index():
    return {"name": "app", "scheme": flask.request.scheme,
            "cwd": os.getcwd(), "mine": os.environ.get("MINE"), "path": sys.path}
@other.get("/")
def other_index(): return {"name": "other"}
"""
OURS = "python:nodrop.gunicorn"
DEFAULTS = ServingSettings.from_environment({"BIND_ADDRESS": "::"})


def start(folder: Path, *arguments: str, config: str = OURS, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse, and return what it said."""
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    line = [*command()[:3], "--config", config, *arguments]
    env = environment(**{**ports, **own_application(folder, "raise SystemExit('imported')"), **variables})
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def running(
    folder: Path, *arguments: str, config: str = "python:nodrop.gunicorn", **variables: str
) -> Iterator[Server]:
    """A server with this command line."""
    port, management = free_port(), free_port()
    log_file = folder / "log"
    given = {"PORT": str(port), "MANAGEMENT_PORT": str(management), **own_application(folder, TELLING), **variables}
    line = [*command()[:3], "--config", config, *arguments]
    with log_file.open("w") as log:
        process = subprocess.Popen(line, cwd=folder, env=environment(**given), stdout=log, stderr=log, text=True)
    server = Server(process, port, management, log_file)
    try:
        until("it is ready", lambda: server.is_ready() or process.poll() is not None)
        assert process.poll() is None, log_file.read_text()
        yield server
    finally:
        process.terminate()
        process.wait(20)


def problems(*arguments: str, **variables: str) -> list[str]:
    """What is wrong with a command line and variables, by the defaults."""
    return given_options.problems(DEFAULTS, arguments, variables)


# --- The table ------------------------------------------------------------------------------------------------------


def test_the_table_names_every_option_of_gunicorn_and_no_other() -> None:
    known = {setting.name for setting in KNOWN_SETTINGS}
    assert known - named() == set(), "gunicorn has options of which nodrop/options/table.py does not say what becomes"
    assert named() - known == set(), "gunicorn has these options no more"


def test_every_setting_that_the_table_names_exists() -> None:
    declared = {each.variable for each in ServingSettings.declarations().values()}
    places = {place for name in named() for place in option(name).setting.split(" and ") if place}
    places |= {place for setting in foreign_variables.COMMON.values() for place in setting.split(" and ")}
    assert places - declared == {"TMPDIR"}


def test_every_option_says_what_to_do_or_how_it_is_honoured() -> None:
    for name in named():
        assert option(name).note or option(name).setting, name
        assert "\n" not in option(name).remedy("x")


def test_the_page_agrees_with_the_table() -> None:
    assert {path: path.read_text() for path in options_docs.rendered()} == options_docs.rendered(), "run make docs"


# --- Refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            "--certfile c --keyfile k",
            "--keyfile=k (command line) can't be accepted: leave it out; terminate TLS at the proxy in front (Ingress, "
            "Gateway, load balancer) and set TRUSTED_PROXIES\n"
            "--certfile=c (command line) can't be accepted: leave it out; terminate TLS at the proxy in front "
            "(Ingress, Gateway, load balancer) and set TRUSTED_PROXIES",
        ),
        (
            "--bind unix:/tmp/s",
            "--bind=unix:/tmp/s (command line) can't be accepted: the kubelet and the Service need one TCP address: "
            "set BIND_ADDRESS and PORT",
        ),
        (
            "-b 127.0.0.1:8000",
            "--bind=127.0.0.1:8000 (command line) can't be accepted: set BIND_ADDRESS=127.0.0.1 and PORT=8000",
        ),
        (
            "--worker-class gevent",
            "--worker-class=gevent (command line) can't be accepted: set SERVER (nodrop, or gthread for gunicorn's own "
            "threads)",
        ),
        ("--threads 2", "--threads=2 (command line) can't be accepted: set WEB_THREADS=2"),
        ("-w 4", "--workers=4 (command line) can't be accepted: set WEB_CONCURRENCY=4"),
        (
            "--timeout 30",
            "--timeout=30 (command line) can't be accepted: set STALL_TIMEOUT (for how long a request may make no "
            "progress)",
        ),
        (
            "--reload",
            "--reload (command line) can't be accepted: leave it out; `nodrop dev` reloads, for development",
        ),
        (
            "--preload",
            "--preload (command line) can't be accepted: leave it out; each worker loads the application, so that "
            "connections are not shared by a fork",
        ),
        (
            "--daemon",
            "--daemon (command line) can't be accepted: leave it out; the server stays in the foreground, as a "
            "container needs",
        ),
        (
            "--umask 022",
            "--umask=022 (command line) can't be accepted: leave it out; the server stays in the foreground, as a "
            "container needs",
        ),
        (
            "--forwarded-allow-ips *",
            "--forwarded-allow-ips=* (command line) can't be accepted: set TRUSTED_PROXIES (forwarded headers are "
            "ignored unless it names the trusted proxies)",
        ),
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_before_anything_else_happens(
    tmp_path: Path, arguments: str, line: str
) -> None:
    refused = start(tmp_path, *arguments.split())
    assert refused.returncode == 1
    assert refused.stderr == f"{line}\n"
    assert refused.stdout == ""


def test_the_same_in_gunicorns_variable_is_refused_by_its_name(tmp_path: Path) -> None:
    refused = start(tmp_path, GUNICORN_CMD_ARGS="--threads=2 --worker-class 'gevent'")
    assert refused.returncode == 1
    assert [line.partition(" can't")[0] for line in refused.stderr.splitlines()] == [
        "--worker-class=gevent (GUNICORN_CMD_ARGS)",
        "--threads=2 (GUNICORN_CMD_ARGS)",
    ]


def test_every_option_of_the_command_line_is_honoured_or_refused_when_it_changes_something() -> None:
    """Each one with a value that is not what it is here anyway."""
    other = {
        "http_protocols": "h2", "worker_class": "sync", "proxy_protocol": "v1", "protocol": "uwsgi", "cert_reqs": "1",
        "asgi_loop": "uvloop", "asgi_lifespan": "on", "http_parser": "fast", "header_map": "refuse",
        "http2_cleartext": "upgrade", "control_socket_mode": "0777", "reload_engine": "poll", "bind": "127.0.0.1:1",
        "user": "65534", "group": "65534", "proxy_allow_ips": "10.0.0.1", "forwarded_allow_ips": "10.0.0.1",
        "uwsgi_allow_ips": "10.0.0.1", "ssl_version": "2", "logger_class": "gunicorn.glogging.Logger",
        "forwarder_headers": "x", "syslog_addr": "udp://x", "paste": "paste.ini",
    }  # fmt: skip
    already_so = {"control_socket_disable", "ssl_version", "suppress_ragged_eofs"}
    for setting in KNOWN_SETTINGS:
        if not setting.cli or setting.name in already_so:
            continue
        flag = setting.cli[-1]
        value = other.get(setting.name, "7" if isinstance(setting.default, int) else "/tmp")
        given = [flag] if setting.action in ("store_true", "store_const") else [f"{flag}={value}"]
        said = problems(*given)
        if option(setting.name).honoured:
            assert said == [], said
        else:
            assert len(said) == 1, (given, said)
            assert said[0].startswith(f"{flag}"), said


@pytest.mark.parametrize(
    "arguments",
    [
        "--bind 0.0.0.0:5000", "--bind :5000", "--bind [::]:5000", "--workers 1", "--threads=8", "--keep-alive 75",
        "--worker-tmp-dir /dev/shm", "--access-logfile -", "--access-logfile /dev/stdout", "--log-file=-",
        "--log-level INFO", "--graceful-timeout 30", "--no-control-socket", "--http-protocols h1", "--capture-output",
        "--backlog 16", "--worker-class nodrop.http.worker.Worker", "--proxy-protocol off",
    ],
)  # fmt: skip
def test_an_option_that_asks_for_what_is_so_anyway_is_accepted(arguments: str) -> None:
    assert problems(*arguments.split()) == []


def test_an_option_that_means_the_same_does_not_change_the_configuration(tmp_path: Path) -> None:
    """--graceful-timeout 30 is GRACEFUL_TIMEOUT; taken literally it would kill a worker that is about to end."""
    with running(tmp_path, "--graceful-timeout", "30", "--log-level", "INFO") as server:
        assert server.get("/").status == 200
    assert problems("--graceful-timeout", "31") == [
        "--graceful-timeout=31 (command line) can't be accepted: set GRACEFUL_TIMEOUT=31"
    ]


def test_gunicorns_variable_that_cannot_be_read_is_told() -> None:
    assert problems(GUNICORN_CMD_ARGS="--name 'shop") == ["GUNICORN_CMD_ARGS can't be read: No closing quotation"]
    (said,) = problems(GUNICORN_CMD_ARGS="--threads many")
    assert said.startswith("GUNICORN_CMD_ARGS can't be read: ")
    assert "argument --threads: invalid int value: 'many'" in said
    assert problems(GUNICORN_CMD_ARGS="shop:app") == [
        "GUNICORN_CMD_ARGS names the application shop:app, where gunicorn does not look: set WSGI_APP"
    ]


def test_a_second_configuration_that_gunicorn_would_pass_over_is_told() -> None:
    assert problems("--config", "python:nodrop.gunicorn", GUNICORN_CMD_ARGS="-c mine.py") == [
        "GUNICORN_CMD_ARGS has a --config that is not read, since the command line has one: remove it"
    ]


def test_a_setting_in_env_comes_too_late_and_is_told_without_its_value() -> None:
    assert problems("--env", "SECRET_KEY=hush", "-e", "MINE=1") == [
        "--env=SECRET_KEY=... (command line) comes too late for a setting: set the variable SECRET_KEY itself"
    ]


# --- Honoured -------------------------------------------------------------------------------------------------------


def test_the_application_on_the_command_line_is_served_behind_everything_that_ours_adds(tmp_path: Path) -> None:
    with running(tmp_path, "own:other", WSGI_APP="own:app") as server:
        answer = server.get("/")
        assert answer.json() == {"name": "other"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        until("it is logged", lambda: answer.headers["x-request-id"] in server.log_file.read_text())
        assert server.metrics()['flask_http_request_total{method="GET",status="200"}'] >= 1
        server.process.send_signal(1)  # SIGHUP: it is remembered.
        until("a second worker", lambda: len(server.workers()) == 2)
        until("ready", server.is_ready)
        assert server.get("/").json() == {"name": "other"}


def test_an_application_on_the_command_line_that_is_not_there_is_told_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("app = None\n")
    refused = start(tmp_path, "shop:gone", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert refused.returncode != 0
    assert f"WSGI_APP=shop:gone can't be loaded: shop ({tmp_path / 'shop.py'}) has no 'gone'" in refused.stderr


def test_what_a_process_is_started_with_is_honoured(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "libraries").mkdir()
    pid = tmp_path / "pid"
    arguments = ["--pid", str(pid), "--name", "shop", "--chdir", str(inner), "--env", "MINE=yes"]
    with running(tmp_path, *arguments, "--pythonpath", str(tmp_path / "libraries")) as server:
        told = server.get("/").json()
        assert told["cwd"] == str(inner)
        assert told["mine"] == "yes"
        assert str(tmp_path / "libraries") in told["path"]
        assert pid.read_text().strip() == str(server.process.pid)


# --- Your own configuration file --------------------------------------------------------------------------------------


def test_a_configuration_file_that_begins_with_ours_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(
        "from nodrop.gunicorn import *\nraw_env = ['MINE=yes']\nwsgi_app = 'own:app'\nkeepalive = 75\n"
    )
    with running(tmp_path, config="gunicorn.conf.py", WSGI_APP="own:other") as server:
        assert server.get("/").json()["mine"] == "yes"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("threads = 2", "threads = 2 (configuration file) can't be accepted: set WEB_THREADS=2"),
        (
            "bind = ['unix:/tmp/s']",
            "bind = unix:/tmp/s (configuration file) can't be accepted: the kubelet and the Service need one TCP "
            "address: set BIND_ADDRESS and PORT",
        ),
        ("worker_class = 'sync'", "worker_class = sync (configuration file) can't be accepted: set SERVER"),
        (
            "def post_fork(server, worker): pass",
            "post_fork (configuration file) can't be accepted: set HOOKS (a module of your own with functions of these "
            "names, which run beside nodrop's)",
        ),
        (
            "preload_app = True",
            "preload_app = True (configuration file) can't be accepted: leave it out; each worker loads",
        ),
        (
            "certfile = 'c'",
            "certfile = c (configuration file) can't be accepted: leave it out; terminate TLS at the proxy",
        ),
        (
            "threads = 2\ndef nworkers_changed(server, new, old): pass\ndef on_starting(server): pass",
            "threads = 2 (configuration file) can't be accepted: set WEB_THREADS=2",
        ),
    ],
)
def test_what_a_configuration_file_changes_is_refused_before_anything_is_bound(
    tmp_path: Path, source: str, line: str
) -> None:
    (tmp_path / "mine.py").write_text(f"from nodrop.gunicorn import *\n{source}\n")
    refused = start(tmp_path, config="mine.py")
    assert refused.returncode == 1
    assert line in refused.stderr
    assert "imported" not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


def test_a_reload_that_would_change_an_option_says_so_and_serves_on(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.write_text("from nodrop.gunicorn import *\n")
    with running(tmp_path, config="mine.py") as server:
        config.write_text("from nodrop.gunicorn import *\nthreads = 2\n")
        server.process.send_signal(1)
        until("a second worker", lambda: len(server.workers()) == 2)
        until("ready", server.is_ready)
        assert "threads = 2 (configuration file) can't be accepted: set WEB_THREADS=2" in server.log_file.read_text()
        until("the first has ended", lambda: server.metrics()["nodrop_threads"] == 8)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("workers = 3", "workers = 3 (configuration file) can't be accepted: set WEB_CONCURRENCY=3"),
        (
            "certfile = 'x'",
            "certfile = x (configuration file) can't be accepted: leave it out; terminate TLS at the proxy",
        ),
        ("worker_class = 'sync'", "worker_class = sync (configuration file) can't be accepted: set SERVER"),
        ("worker_class = 'gone:Worker'", "worker_class = gone:Worker (configuration file) can't be accepted"),
        ("timeout = 1", "timeout = 1 (configuration file) can't be accepted: set STALL_TIMEOUT"),
        ("def nworkers_changed(server, new, old): pass", "nworkers_changed (configuration file) can't be accepted"),
    ],
)
def test_what_a_reload_refuses_does_not_take_effect(tmp_path: Path, source: str, line: str) -> None:
    config = tmp_path / "mine.py"
    config.write_text("from nodrop.gunicorn import *\n")
    with running(tmp_path, config="mine.py") as server:
        (first,) = server.workers()
        config.write_text(f"from nodrop.gunicorn import *\n{source}\n")
        server.process.send_signal(signal.SIGHUP)
        until("a second worker", lambda: len(server.workers()) == 2)
        until("the first has ended", lambda: not Path(f"/proc/{first}").exists(), timeout=5)
        until("ready", server.is_ready)
        assert server.log_file.read_text().count(line) == 1
        assert server.get("/").json()["scheme"] == "http"
        # Such as the threads, of which another class of worker may tell nothing.
        assert server.metrics()["nodrop_threads"] == 8
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert len(server.workers()) == 2, "the number of workers stays"


def test_gunicorns_own_file_that_is_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 4\n")
    with running(tmp_path) as server:
        assert (
            "gunicorn.conf.py is not read, since --config names python:nodrop.gunicorn" in server.log_file.read_text()
        )


# --- Variables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "FORWARDED_ALLOW_IPS", "*",
            "FORWARDED_ALLOW_IPS is not read: set TRUSTED_PROXIES (forwarded headers are ignored unless it names the "
            "trusted proxies)",
        ),
        ("GUNICORN_WORKERS", "4", "GUNICORN_WORKERS is not read: set WEB_CONCURRENCY=4"),
        ("GUNICORN_BIND", "0.0.0.0:80", "GUNICORN_BIND is not read: set BIND_ADDRESS=0.0.0.0 and PORT=80"),
        (
            "GUNICORN_CERTFILE", "c",
            "GUNICORN_CERTFILE is not read: unset GUNICORN_CERTFILE; terminate TLS at the proxy in front (Ingress, "
            "Gateway, load balancer) and set TRUSTED_PROXIES",
        ),
        ("GUNICORN_CHDIR", "/", "GUNICORN_CHDIR is not read: write it into GUNICORN_CMD_ARGS, or unset GUNICORN_CHDIR"),
        ("GUNICORN_COLOUR", "x", "GUNICORN_COLOUR is not read: gunicorn has no such variable: unset GUNICORN_COLOUR"),
    ],
)  # fmt: skip
def test_a_variable_that_is_meant_for_gunicorn_is_refused(tmp_path: Path, name: str, value: str, line: str) -> None:
    refused = start(tmp_path, **{name: value})
    assert refused.returncode == 1
    assert refused.stderr == f"{line}\n"
    check = nodrop_check(**{name: value})
    assert check.returncode == 1
    assert line in check.stderr


def nodrop_check(**variables: str) -> subprocess.CompletedProcess[str]:
    """What `nodrop check` says."""
    line = [command()[0], "-m", "nodrop", "check"]
    return subprocess.run(line, env=environment(**variables), capture_output=True, text=True, timeout=20, check=False)


def test_check_refuses_what_gunicorns_variable_has() -> None:
    check = nodrop_check(GUNICORN_CMD_ARGS="--threads 2")
    assert check.returncode == 1
    assert check.stderr == "--threads=2 (GUNICORN_CMD_ARGS) can't be accepted: set WEB_THREADS=2\n"


def test_what_kubernetes_sets_for_a_service_named_gunicorn_is_left_alone() -> None:
    variables = {
        "GUNICORN_SERVICE_HOST": "10.0.0.1", "GUNICORN_SERVICE_PORT": "80", "GUNICORN_PORT": "tcp://10.0.0.1:80",
        "GUNICORN_PORT_80_TCP": "tcp://10.0.0.1:80", "GUNICORN_PORT_80_TCP_ADDR": "10.0.0.1",
        "GUNICORN_CMD_ARGS": "", "GUNICORN_SERVICE_PORT_HTTP": "80",
    }  # fmt: skip
    assert foreign_variables.refusals(variables) == []
    assert foreign_variables.refusals({"GUNICORN_PORT": "80"}) == ["GUNICORN_PORT is not read: set PORT=80"]


def test_a_variable_that_may_be_the_applications_own_gets_a_warning(tmp_path: Path) -> None:
    line = "TIMEOUT is not a setting of the server: if it is meant to be one, set STALL_TIMEOUT"
    with serving(tmp_path, TIMEOUT="60", HOST="my-laptop") as server:
        warned = [entry["message"] for entry in server.log() if entry["level"] == "warning"]
        assert warned.count(line) == 1
        assert not [each for each in warned if each.startswith("HOST")]
    check = nodrop_check(TIMEOUT="60", HOST="0.0.0.0")
    assert check.returncode == 0
    assert f"warning: {line}\n" in check.stderr
    assert "warning: HOST is not a setting of the server: if it is meant to be one, set BIND_ADDRESS\n" in check.stderr


def test_options_are_spelled_as_people_write_them() -> None:
    assert spelling("worker_class") == "--worker-class"
    assert spelling("ssl_context") == "ssl_context"
    assert os.sep not in spelling("bind")
