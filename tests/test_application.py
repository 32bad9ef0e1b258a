"""WSGI_APP: what can be named, and what is said about what can't be served."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.serving_process import ROOT, command, environment, free_port, own_application, serving

FLASK = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return 'mine'\n"


def refusal(folder: Path, wsgi_app: str, **sources: str) -> str:
    """What is said about an application that can't be loaded: the line, or the log with a traceback."""
    for module, source in sources.items():
        (folder / f"{module}.py").write_text(source)
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    refused = subprocess.run(
        command(), cwd=folder, env=environment(**ports, WSGI_APP=wsgi_app),
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    return refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("wsgi_app", "source"),
    [
        ("own:app", FLASK),
        ("own:holder.inner.app", FLASK + "class holder:\n    class inner:\n        app = app\n"),
        ("own:create_app()", FLASK + "def create_app(config=None): return app\n"),
        ("own:Shop.create()", FLASK + "class Shop:\n    @classmethod\n    def create(cls): return app\n"),
        ("own:wrapped", FLASK + "def wrapped(*args, **kwargs): return app(*args, **kwargs)\n"),
        ("own:bound", FLASK + "bound = app.wsgi_app\n"),
    ],
)
def test_what_can_be_named(tmp_path: Path, wsgi_app: str, source: str) -> None:
    # It is elsewhere than the server's own code, and named by PYTHONPATH.
    with serving(tmp_path, **{**own_application(tmp_path, source), "WSGI_APP": wsgi_app}) as server:
        assert server.get("/").body == b"mine"


@pytest.mark.parametrize(
    ("wsgi_app", "source", "said"),
    [
        ("gone:app", "", r"no module 'gone' in .*: start the server in the folder .*PYTHONPATH=<folder>"),
        ("app.gone:app", "", r"there is neither gone.py nor gone/ in \S+/app$"),
        ("own:app", "import redis_of_ours", r"/own.py, line 1, imports 'redis_of_ours', which is not installed:"),
        ("own:app", "import own.models", r"/own.py, line 1, imports 'own.models', which is not there"),
        ("own:aplication", FLASK + "application = app", r"own.py\) has no 'aplication': did you mean application\?"),
        ("own:nothing", FLASK, r"own \(.*\) has no 'nothing': name the variable or function that has it"),
        ("app:app", "", r"app \(\S+/app/__init__.py\) has no 'app': write app:create_app\(\) to call the factory"),
        ("own:app.nothing", FLASK, r"own.app has no 'nothing'"),
        ("own:app()", "app = 7", r"it is of type int, not a function: leave out the \(\)"),
        ("own:make()", "def make(config, *, key): ...", r"needs config, key: write them, .*, or give them defaults"),
        ("own:make()", "def make(): ...", r"the factory returned None: have it end with `return app`"),
        ("own:make()", "def make(): return 'app'", r"what the factory returned is of type str, not a"),
        ("own:make", FLASK + "def make(config=None): return app", r"so a factory: write own:make\(\) to call it"),
        ("own:make", "def make(config): ...", r"can't be called with an environment and start_response as WSGI asks"),
        ("own:app", "app = None", r"it is None"),
        ("own:app", "class A:\n  async def __call__(self, *args): ...\napp = A()", r"of type A, an ASGI "),
        ("own:app", "async def app(scope, receive, send): ...", r"an ASGI application, .* wrap it with a2wsgi"),
        ("own:app", "import sys; sys.exit('DATABASE is not set')", r"own code ended the process: DATABASE is not set"),
    ],
)  # fmt: skip
def test_what_can_not_be_served_is_refused_with_the_remedy(
    tmp_path: Path, wsgi_app: str, source: str, said: str
) -> None:
    output = refusal(tmp_path, wsgi_app, own=source)
    (line,) = [line for line in output.splitlines() if "can't be loaded" in line]
    assert line.startswith(f"WSGI_APP={wsgi_app} can't be loaded: ")
    assert re.search(said, line), line
    assert "Traceback" not in output


def test_the_folders_that_were_searched_are_named(tmp_path: Path) -> None:
    output = refusal(tmp_path, "gone:app")
    assert str(tmp_path) in output
    assert str(ROOT) in output


@pytest.mark.parametrize("source", ["def make(): return {}['key']", "def make(): return helper(1)\ndef helper(): ..."])
def test_an_error_of_its_own_code_keeps_its_traceback(tmp_path: Path, source: str) -> None:
    output = refusal(tmp_path, "own:make()", own=source)
    assert "own.py" in output
    assert "Traceback" in output
    assert "This came from the application's own code, loading WSGI_APP=own:make()." in output


def test_an_error_of_an_application_that_nothing_names_says_how_it_was_found(tmp_path: Path) -> None:
    output = refusal(tmp_path, "", app="{}['key']")
    assert "loading it as `flask run` does, without WSGI_APP." in output
