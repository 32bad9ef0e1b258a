"""`nodrop dev`: reloaded on change and with a debugger; and no debugger anywhere else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import flask
import pytest
from werkzeug.debug import DebuggedApplication

from nodrop.application.debugging import without_debugging
from tests.serving_process import ROOT, Server, at_full_speed, environment, free_port, serving, tcp_table, until

SAVED_SECONDS = 1.0
CODE = """
import flask, os
app = flask.Flask(__name__)
@app.get("/")
def index(): return {"says": "SAYS", "debug": flask.current_app.debug, "flask_debug": os.environ.get("FLASK_DEBUG")}
@app.get("/broken")
def broken(): raise RuntimeError("out of order")
"""


def application(folder: Path, says: str = "one", more: str = "") -> dict[str, str]:
    """The variables of an application that answers `says`."""
    (folder / "shop.py").write_text(CODE.replace("SAYS", says) + more)
    return {"WSGI_APP": "shop:app", "PYTHONPATH": f"{ROOT}:{folder}"}


def started(log: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
    """Start a development server that writes to `log`."""
    with log.open("w") as file:
        return subprocess.Popen(
            command or (sys.executable, "-m", "nodrop", "dev"),
            cwd=ROOT, env=environment(**variables), stdout=file, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip


def is_gone(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def developing(folder: Path, *command: str, **variables: str) -> Iterator[Server]:
    """A development server that answers; afterwards none of its processes is left, or they are killed."""
    port = free_port()
    log = folder / "dev.log"
    process = started(log, *command, PORT=str(port), **variables)
    server = Server(process, port, 0, log)

    def answers() -> bool:
        return body(server) != b"" or process.poll() is not None

    try:
        until("it answers", answers)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if not is_gone(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def body(server: Server) -> bytes:
    """What is answered now; nothing while the application is being reloaded, which cuts answers off too."""
    try:
        return server.get("/").body
    except (OSError, HTTPException):
        return b""


def test_a_change_of_the_code_is_served(tmp_path: Path) -> None:
    with developing(tmp_path, **application(tmp_path)) as server:
        assert server.get("/").json() == {"says": "one", "debug": True, "flask_debug": "1"}
        application(tmp_path, "another")
        until("the new answer", lambda: b'"another"' in body(server))


@pytest.mark.alone
def test_a_change_is_served_within_a_second_of_being_saved(tmp_path: Path) -> None:
    with at_full_speed(), developing(tmp_path, **application(tmp_path)) as server:
        for says in ("two", "three", "four"):
            application(tmp_path, says)
            saved = time.monotonic()
            until("the new answer", lambda: b'"' + says.encode() + b'"' in body(server))  # noqa: B023
            seconds = time.monotonic() - saved
            print(f"{seconds:.2f} s")
            assert seconds < SAVED_SECONDS


def test_a_request_waits_while_the_application_is_loaded(tmp_path: Path) -> None:
    with developing(tmp_path, **application(tmp_path)) as server:
        application(tmp_path, "two", more="\nimport time; time.sleep(0.5)")
        until("it is loaded", lambda: "has changed" in server.log_file.read_text())
        assert server.get("/").json()["says"] == "two"


def test_a_file_that_is_changed_while_the_application_is_loaded_counts(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("PRICE = 1\n")
    with developing(tmp_path, **application(tmp_path)):
        loads = f"open('{tmp_path}/loads', 'w')"
        application(tmp_path, "two", more=f"\nimport prices, time\n{loads}\ntime.sleep(0.5)")
        until("prices is imported", (tmp_path / "loads").exists)
        (tmp_path / "loads").unlink()
        (tmp_path / "prices.py").write_text("PRICE = 1000\n")
        until("it is imported again", (tmp_path / "loads").exists)


def test_an_edit_of_the_same_size_and_second_is_served(tmp_path: Path) -> None:
    """Python's own check of its byte code takes it for the same file."""
    second = int(time.time()) + 5
    variables = application(tmp_path)
    os.utime(tmp_path / "shop.py", (second, second + 0.1))
    # With byte code, as by default: other tests set it aside.
    with developing(tmp_path, **variables, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX="") as server:
        application(tmp_path, "two")
        os.utime(tmp_path / "shop.py", (second, second + 0.9))
        until("the new answer", lambda: b'"two"' in body(server))


def test_a_module_that_was_missing_mends_the_application(tmp_path: Path) -> None:
    with developing(tmp_path, **application(tmp_path)) as server:
        application(tmp_path, "two", more="\nimport prices")
        until("the error is shown", lambda: b"prices" in body(server))
        (tmp_path / "prices.py").write_text("PRICE = 1\n")
        until("the new answer", lambda: b'"two"' in body(server))


def test_a_template_is_served_as_it_is_without_a_reload(tmp_path: Path) -> None:
    page = "\n@app.get('/page')\ndef page(): return flask.render_template('page.html') + str(os.getpid())"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("before ")
    with developing(tmp_path, **application(tmp_path, more=page)) as server:
        _, process = server.get("/page").body.split()
        (tmp_path / "templates" / "page.html").write_text("and after ")
        until("the new page", lambda: server.get("/page").body == b"and after " + process)


def test_code_that_can_not_be_loaded_is_shown_until_it_is_mended(tmp_path: Path) -> None:
    with developing(tmp_path, **application(tmp_path)) as server:
        application(tmp_path, more="\nraise LookupError('half done')\n")
        until("the error is shown", lambda: b"LookupError: half done" in body(server))
        application(tmp_path, "mended")
        until("the new answer", lambda: b'"mended"' in body(server))


@pytest.mark.parametrize("more", ["", "app.debug = False"])
def test_an_exception_is_shown_in_the_debugger(tmp_path: Path, more: str) -> None:
    with developing(tmp_path, **application(tmp_path, more=more)) as server:
        answer = server.get("/broken")
        assert answer.status == 500
        assert b"RuntimeError: out of order" in answer.body
        assert b"EVALEX = true" in answer.body
        # Under this machine's own names only, so that no web page can reach it by another.
        assert server.get("/console").status == 200
        assert server.get("/console", headers={"Host": "elsewhere.example"}).status == 400
        until("it is logged too", lambda: "RuntimeError: out of order" in server.log_file.read_text())


def test_the_example_behaves_as_in_production_without_the_files_of_its_metrics(tmp_path: Path) -> None:
    missing = str(tmp_path / "gone")
    with developing(tmp_path, PROMETHEUS_MULTIPROC_DIR=missing, SECRET_KEY="k" * 16 + "0123456789abcdef") as server:
        assert server.get("/").json()["name"] == "flask-app"
        missed = server.get("/nowhere")
        assert (missed.status, missed.headers["content-type"]) == (404, "application/problem+json")
        assert not Path(missing).exists()
        assert '"GET / HTTP/1.1" 200' in server.log_file.read_text()


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with developing(tmp_path, **application(tmp_path)) as server:
        addresses = [
            fields[1] for fields in tcp_table() if fields[3] == "0A" and fields[1].endswith(f":{server.port:04X}")
        ]
        assert addresses == [f"0100007F:{server.port:04X}"]


@pytest.mark.parametrize(("how", "status"), [("os._exit(5)", 5), ("os.kill(os.getpid(), 9)", 137)])
def test_it_ends_with_the_application_that_ends_its_process(tmp_path: Path, how: str, status: int) -> None:
    more = f'\n@app.get("/end")\ndef end(): {how}\n'
    with developing(tmp_path, **application(tmp_path, more=more)) as server:
        with pytest.raises((OSError, HTTPException)):
            server.get("/end")
        assert server.process.wait(20) == status


def test_a_change_of_what_the_parent_has_imported_starts_it_anew(tmp_path: Path) -> None:
    """As of nodrop itself, of Flask, or of what Python imports when it starts."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['FLASK_DEBUG_PAGE'] = 'one'\n")
    more = "\n@app.get('/page')\ndef page(): return os.environ['FLASK_DEBUG_PAGE']\n"
    with developing(tmp_path, **application(tmp_path, more=more)) as server:
        assert server.get("/page").body == b"one"
        (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['FLASK_DEBUG_PAGE'] = 'another'\n")

        def page() -> bytes:
            try:
                return server.get("/page").body
            except (OSError, HTTPException):
                return b""

        until("the new answer", lambda: page() == b"another")


def test_a_thread_that_does_not_end_keeps_no_change_from_being_served(tmp_path: Path) -> None:
    more = "\nimport threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()\n"
    with developing(tmp_path, **application(tmp_path, more=more)) as server:
        application(tmp_path, "two")
        until("the new answer", lambda: b'"two"' in body(server))


@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_and_leaves_nothing_behind(tmp_path: Path, to_all: bool) -> None:
    """Ctrl-C reaches the whole process group; SIGTERM the one that was started."""
    with developing(tmp_path, **application(tmp_path)) as server:
        group = server.process.pid
        if to_all:
            os.killpg(group, signal.SIGINT)
        else:
            os.kill(group, signal.SIGTERM)
        assert server.process.wait(10) == 0
        until("every process has ended", lambda: is_gone(group), timeout=5)
        assert "Traceback" not in server.log_file.read_text()


def test_make_dev_starts_it(tmp_path: Path) -> None:
    port = free_port()
    command = ("make", "-C", str(ROOT), "dev", f"PORT={port}")
    log = tmp_path / "make.log"
    process = started(log, *command, **application(tmp_path))
    server = Server(process, port, 0, log)
    try:
        until("it answers", lambda: b'"one"' in body(server))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
    until("every process has ended", lambda: is_gone(process.pid), timeout=5)


# --- Refusals -------------------------------------------------------------------------------------------------------


def refusal(tmp_path: Path, **variables: str) -> str:
    """What is said by a development server that does not start."""
    process = started(tmp_path / "log", **{"PORT": str(free_port()), **variables})
    try:
        assert process.wait(20) == 1
    finally:
        if not is_gone(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return (tmp_path / "log").read_text()


def test_it_does_not_run_in_kubernetes(tmp_path: Path) -> None:
    assert "does not run in Kubernetes" in refusal(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")


def test_a_busy_port_gets_a_clear_message(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert refusal(tmp_path, PORT=str(port)) == (
            f"port {port} is already in use: stop what uses it, or choose another with PORT=<port>\n"
        )


def test_bad_settings_are_all_told(tmp_path: Path) -> None:
    said = refusal(tmp_path, PORT="eighty", LOG_LEVEL="loud")
    assert len(said.splitlines()) == 2
    # The application's own, which are read in the reloader's child.
    refuses = "from nodrop.config.sources import SettingsError\nraise SettingsError(['PAGES is not set'])\n"
    said = refusal(tmp_path, **application(tmp_path, more=refuses))
    assert "PAGES is not set" in said
    assert "Traceback" not in said


# --- Production -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "variables", "warning"),
    [
        ("", {"FLASK_DEBUG": "1"}, "FLASK_DEBUG is ignored"),
        ("app.debug = True", {}, "debug = True is undone"),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "app.config['PROPAGATE_EXCEPTIONS'] = True\n"
            "app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)",
            {},
            "debugger around the application is taken off",
        ),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "app.config['PROPAGATE_EXCEPTIONS'] = True\n"
            "app = DebuggedApplication(app, evalex=True)",
            {},
            "debugger around the application is taken off",
        ),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "from werkzeug.middleware.proxy_fix import ProxyFix\n"
            "app.config['PROPAGATE_EXCEPTIONS'] = True\n"
            "app.wsgi_app = ProxyFix(DebuggedApplication(app.wsgi_app, evalex=True))",
            {},
            "debugger around the application is taken off",
        ),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "app.config['PROPAGATE_EXCEPTIONS'] = True\n"
            "debugger = DebuggedApplication(app, evalex=True)\n"
            "def app(environ, start): return debugger(environ, start)",
            {},
            "debugger that the application has somewhere is passed by",
        ),
        (
            "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
            "app.debug = True\n"
            "app = DispatcherMiddleware(app, {'/admin': app})",
            {},
            "debug = True is undone",
        ),
    ],
    ids=["FLASK_DEBUG", "app.debug", "wsgi_app", "app", "behind middleware", "out of sight", "mounted"],
)
def test_production_shows_no_debugger_and_no_traceback(
    tmp_path: Path, more: str, variables: dict[str, str], warning: str
) -> None:
    with serving(tmp_path, **application(tmp_path, more=more), **variables) as server:
        answer = server.get("/broken")
        assert answer.status == 500
        for told in (b"RuntimeError", b"out of order", b"Traceback", b"EVALEX"):
            assert told not in answer.body
        assert server.get("/console").status == 404
        # Where the debugger keeps its own files; here, the application's page.
        own = server.get("/?__debugger__=yes&cmd=resource&f=debugger.js")
        assert own.json() == {"says": "one", "debug": False, "flask_debug": None}
        server.stop()
        assert [e["level"] for e in server.log() if warning in e["message"]] == ["warning"]


@pytest.mark.timeout(5)
def test_the_search_for_debuggers_ends_where_one_leads_to_itself() -> None:
    debugger = DebuggedApplication(flask.Flask("own"))
    debugger.app = debugger
    assert without_debugging(debugger) is debugger
