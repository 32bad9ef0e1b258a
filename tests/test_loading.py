"""An application that can't be loaded, or takes long, is told of in words that name the cause and the remedy."""

import builtins
import errno
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nodrop.application import slow_load
from nodrop.application.slow_load import SlowLoad, place
from nodrop.importing.frames import caller, frame_of
from tests.serving_process import ROOT, Server, measured, own_application, serving, starting, until


def refused(tmp_path: Path, files: dict[str, str], **variables: str) -> str:
    """What a server says that can't load this application: one line, without a traceback."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with starting(tmp_path, **variables) as server:
        assert server.process.wait(20) != 0
        text = server.log_file.read_text()
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if "can't be loaded: " in line]
    return line


# --- What is not there ----------------------------------------------------------------------------------------------

FLASK = "import flask\napp = flask.Flask('x')\n"


@pytest.mark.parametrize(
    ("files", "named", "said"),
    [
        # A package with the name that most people have, and a module missing from it.
        (
            {"app/__init__.py": "from app.models import Thing\n"},
            "app:app",
            "{}/app/__init__.py, line 1, imports 'app.models', which is not there: there is neither models.py nor "
            "models/ in {}/app",
        ),
        (
            {"shop.py": "import flask.ext.thing"},
            "shop:app",
            "the installed package flask has no 'ext'; the code",
        ),
        (
            {"shop.py": "import nowhere"},
            "shop:app",
            "{}/shop.py, line 1, imports 'nowhere', which is not installed",
        ),
        (
            {"shop/__init__.py": "import models", "shop/models.py": ""},
            "shop:app",
            "{}/shop has it, and is not on the path. Write `from . import models`, or set PYTHONPATH={}/shop",
        ),
        (
            {"src/shop/__init__.py": FLASK},
            "shop:app",
            "{}/src has it. Install the project with `pip install",
        ),
        (
            {"shop.py": "from importlib.metadata import version\nversion('shop')\n"},
            "shop:app",
            "{}/shop.py, line 2, asks importlib.metadata for the distribution 'shop', which is not installed in ",
        ),
        ({"shop.py": FLASK}, "shop.py:app", "{}/shop.py is there, but a module is named without .py: write shop:app"),
        ({"shop.py": FLASK}, "shop.web:app", "'shop' is the file {}/shop.py, not a package"),
        ({"shop.py": FLASK}, "shop:app2", "shop ({}/shop.py) has no 'app2': did you mean app?"),
    ],
)
def test_what_is_missing_is_named_with_the_place(tmp_path: Path, files: dict[str, str], named: str, said: str) -> None:
    line = refused(tmp_path, files, WSGI_APP=named)
    assert line.startswith(f"WSGI_APP={named} can't be loaded: ")
    assert said.replace("{}", str(tmp_path)) in line


# --- What can't be written to ---------------------------------------------------------------------------------------


def test_a_read_only_file_system_is_told_with_what_can_be_written_to(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    source = f"import os\nraise OSError({errno.EROFS}, os.strerror({errno.EROFS}), {str(instance)!r})\n"
    line = refused(tmp_path, {"own.py": source}, WSGI_APP="own:app", TMPDIR="/tmp")
    assert f"{tmp_path}/own.py, line 2, wants {str(instance)!r}, which is on a read-only file system." in line
    assert "What can be written to: /tmp, " in line
    assert "Flask(..., instance_path='/tmp/instance'), or mount a volume at the path that it wants" in line
    assert line.endswith('writable = ["instance"] in flask-app.toml')


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.makedirs('closed/instance')", "wants 'closed/instance', which user {} may not write to."),
        ("open('closed/cache', 'w')", "wants 'closed/cache', which user {} may not write to."),
        ("open('secret')", "wants 'secret', which user {} may not read: make it readable to that user"),
    ],
)
def test_what_a_user_may_not_write_to_is_told(code: str, said: str) -> None:
    # Not pytest's own folder, which other users can't reach.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o555)
        (folder / "secret").touch(mode=0)
        # To root nothing is closed, so that the application becomes another user.
        (folder / "own.py").write_text(f"import os; os.getuid() or os.setuid(65534)\n{code}\n")
        done = subprocess.run(
            [sys.executable, "-m", "nodrop", "check", "own:app"],
            cwd=folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    user = os.getuid() or 65534
    assert done.stderr.startswith(f"WSGI_APP=own:app can't be loaded: {folder}/own.py, line 2, {said.format(user)}")
    assert len(done.stderr.splitlines()) == 1


# --- Servers of its own ---------------------------------------------------------------------------------------------

INDEX = "\n@app.get('/')\ndef index(): return 'served'\n"


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("app.run()", "Flask.run()"),
        ("app.run(debug=True, port=5000)", "Flask.run()"),
        ("from werkzeug.serving import run_simple\nrun_simple('127.0.0.1', 0, app)", "run_simple()"),
        (
            "from wsgiref.simple_server import make_server\nmake_server('127.0.0.1', 0, app).serve_forever()",
            "BaseServer.serve_forever()",
        ),
        ("import waitress\nwaitress.serve(app)", "waitress.serve()"),
        ("from flask_socketio import SocketIO\nSocketIO(app).run(app)", "SocketIO.run()"),
    ],
)
def test_a_server_that_the_application_starts_at_import_is_left_out(tmp_path: Path, call: str, named: str) -> None:
    # Stand-ins for what is not installed here: what they would do is what counts.
    (tmp_path / "waitress.py").write_text("def serve(app):\n    while True: pass\n")
    (tmp_path / "flask_socketio.py").write_text(
        "class SocketIO:\n    def __init__(self, app): pass\n    def run(self, app):\n        while True: pass\n"
    )
    variables = own_application(tmp_path, f"{FLASK}{INDEX}{call}\n")
    with serving(tmp_path, **variables) as server:
        assert server.get("/").body == b"served"
        (told,) = [entry["message"] for entry in server.log() if "is left out" in entry["message"]]
    assert named in told
    line = 6 + call.count("\n")
    assert f"was called at {tmp_path}/own.py, line {line}, while the application was loaded" in told
    assert "Put the call under `if __name__ == '__main__':`" in told


def test_a_server_in_a_thread_of_its_own_is_left_alone(tmp_path: Path) -> None:
    """As prometheus_client's, which many applications start."""
    source = """
import threading, urllib.request, wsgiref.simple_server
def other(environ, start): start("200 OK", []); return [b"other"]
side = wsgiref.simple_server.make_server("127.0.0.1", 0, other)
threading.Thread(target=side.serve_forever, daemon=True).start()
"""
    index = (
        "\n@app.get('/')\ndef index(): return urllib.request.urlopen(f'http://127.0.0.1:{side.server_port}').read()\n"
    )
    with serving(tmp_path, **own_application(tmp_path, source + FLASK + index)) as server:
        assert server.get("/").body == b"other"


# --- What takes long ------------------------------------------------------------------------------------------------


def not_started(server: Server) -> str:
    try:
        return server.manage("/startupz").body.decode()
    except OSError:
        return ""


SLOW = {
    "slow/__init__.py": "import flask\nfrom slow import models\napp = flask.Flask('x')\n",
    "slow/models.py": "import time\ndef connect(): time.sleep(13)\nconnect()\n",
}


def write(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)


def test_an_import_that_takes_long_says_where_it_is_and_is_not_killed_for_it(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    at = f"and is at the import of slow.models, {tmp_path}/slow/models.py, line 2 (connect)"
    with starting(tmp_path, WSGI_APP="slow:app", GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="3") as server:
        until("the probes are told", lambda: at in not_started(server), timeout=15)
        assert not_started(server).startswith("not started: the application has been loading for ")
        until("it is ready", server.is_ready, timeout=40)
        messages = [entry["message"] for entry in server.log()]
    (told,) = [message for message in messages if message.startswith("the application has been loading for 1")]
    assert at in told
    assert sum(message.startswith("Booting worker") for message in messages) == 1


def test_check_says_where_a_slow_import_is(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    done = subprocess.run(
        [sys.executable, "-m", "nodrop", "check", "slow:app"],
        cwd=tmp_path, env={**measured(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert f"the import of slow.models, {tmp_path}/slow/models.py, line 2 (connect)" in done.stderr


def test_an_application_that_fails_to_load_and_then_takes_long_to_end_is_told_of_once(tmp_path: Path) -> None:
    """What keeps a worker alive while it loads must not go on when gunicorn has closed its own part of it."""
    source = "import atexit, time\natexit.register(time.sleep, 3)\ntime.sleep(1.2)\nimport nowhere\n"
    line = refused(tmp_path, {"shop.py": source}, WSGI_APP="shop:app")
    assert "imports 'nowhere', which is not installed" in line


def test_a_first_page_that_takes_longer_than_its_limit_names_the_setting(tmp_path: Path) -> None:
    source = "import time\n" + FLASK + "@app.get('/')\ndef index(): time.sleep(3); return 'slow'\n"
    variables = own_application(tmp_path, source)
    with starting(tmp_path, STARTUP_TIMEOUT="1", **variables) as server:
        said = "not started: the first request, GET /, was not answered within STARTUP_TIMEOUT=1 seconds\n"
        until("it is told", lambda: not_started(server) == said)


def test_a_first_page_of_fifteen_seconds_starts_by_default(tmp_path: Path) -> None:
    source = "import time\n" + FLASK + "@app.get('/')\ndef index(): time.sleep(15); return 'slow'\n"
    with starting(tmp_path, **own_application(tmp_path, source)) as server:
        until("it is ready", server.is_ready, timeout=40)
        asked = [entry for entry in server.log() if entry["message"].startswith("GET / 200")]
        assert len(asked) == 1


# --- Where a thread is ------------------------------------------------------------------------------------------------


def place_of(run: Callable[[threading.Event], object], began: threading.Event) -> str:
    """Where a thread is said to be that waits in `run` for an event, once `began` is set."""
    goes_on = threading.Event()
    thread = threading.Thread(target=run, args=(goes_on,))
    thread.start()
    try:
        assert began.wait(10)
        until("it waits", lambda: "(wait)" in place(thread.ident or 0))
        assert caller(frame_of(thread.ident or 0)) in place(thread.ident or 0)
        return place(thread.ident or 0)
    finally:
        goes_on.set()
        thread.join()


def test_the_place_is_the_line_of_the_applications_own_and_the_one_in_other_code_that_it_waits_for() -> None:
    began = threading.Event()

    def connect(goes_on: threading.Event) -> None:
        began.set()
        goes_on.wait()

    told = place_of(connect, began)
    assert told.startswith(f"{__file__}, line {connect.__code__.co_firstlineno + 2} (connect), in ")
    assert f"{threading.__file__}, line " in told


def test_the_place_names_the_module_that_is_being_imported(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("import builtins\nbuiltins.waits_for.set()\nbuiltins.goes_on.wait()\n")
    began = threading.Event()

    def load(goes_on: threading.Event) -> None:
        given = {"waits_for": began, "goes_on": goes_on}
        vars(builtins).update(given)
        try:
            runpy.run_path(str(tmp_path / "waits.py"), run_name="shop.models")
        finally:
            for name in given:
                delattr(builtins, name)

    assert place_of(load, began).startswith(f"the import of shop.models, {tmp_path}/waits.py, line 3 (<module>), in ")


def test_the_place_of_a_thread_that_has_ended_is_not_known() -> None:
    assert (place(0), caller(frame_of(0))) == ("an unknown line", "")


def test_where_loading_stands_is_reported_every_second_and_logged_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slow_load, "FIRST_SECONDS", 1.5)
    told: list[str] = []
    reported: list[str] = []
    alive: list[bool] = []
    watch = SlowLoad(tell=told.append, report=reported.append, alive=lambda: alive.append(True))
    watch.end()
    watch.begin()
    until("it has looked four times", lambda: len(reported) == 4)
    watch.end()
    watch.end()
    assert reported[-1] == ""
    assert set(told) <= set(reported[:-1])
    # Of those after 1, 2, 3 and 4 seconds, the ones after 1.5 and after 3.
    assert (len(told), len(reported) - 1) == (2, len(alive))
    assert all(line.startswith("the application has been loading for ") for line in told)
