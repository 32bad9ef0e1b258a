"""Without WSGI_APP the application is found as `flask run` finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving_process import ROOT
from tests.test_commands import environment

FLASK = "import flask\n"


def loaded(folder: Path, files: dict[str, str], **variables: str) -> tuple[str, str]:
    """The name of the Flask application that is found among these files, and what is said without one."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    code = (
        "import os, sys\nfrom nodrop.application.named import find_application\n"
        "from nodrop.importing.find import FindError\n"
        "try: print(getattr(find_application(os.environ.get('WSGI_APP', '')), 'name', 'not Flask'), end='')\n"
        "except FindError as error: print(error, end='', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder, env=environment(folder, **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"app.py": FLASK + "app = flask.Flask('one')"}, "one"),
        ({"app.py": FLASK + "application = flask.Flask('one')"}, "one"),
        ({"app.py": FLASK + "api = flask.Flask('one')"}, "one"),
        ({"app.py": FLASK + "api = flask.Flask('one')\nsame = api"}, "one"),
        ({"app.py": FLASK + "app = flask.Flask('one')\nother = flask.Flask('two')"}, "one"),
        ({"app.py": FLASK + "def create_app(): return flask.Flask('made')"}, "made"),
        ({"app.py": FLASK + "def make_app(kind='x'): return flask.Flask(kind)"}, "x"),
        ({"wsgi.py": FLASK + "app = flask.Flask('wsgi')", "app.py": FLASK + "app = flask.Flask('app')"}, "wsgi"),
        ({"app/__init__.py": FLASK + "app = flask.Flask('one')\nfrom app import views", "app/views.py": ""}, "one"),
        # A module of the package by that name is not the application.
        ({"app/__init__.py": "from app.app import *", "app/app.py": FLASK + "site = flask.Flask('one')"}, "one"),
        ({"wsgi.py": "def application(environ, start_response): ..."}, "not Flask"),
    ],
)
def test_what_is_found(tmp_path: Path, files: dict[str, str], name: str) -> None:
    assert loaded(tmp_path, files) == (name, "")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"app.py": ""}, "{}/app.py has no app or application, no Flask object and no create_app or make_app: set"),
        ({"app.py": FLASK + "a = flask.Flask('a')\nb = flask.Flask('b')"}, "app.py has 2 Flask applications: set WSGI"),
        (
            {"app.py": "def create_app(config): ..."},
            "the factory needs config: write them, as in WSGI_APP=app:create_app",
        ),
        ({"app.py": "def create_app(): pass"}, "create_app in {}/app.py returned None: have it end with `return app`"),
        (
            {"app.py": "import app.models"},
            "imports 'app.models', which is not there: 'app' is the file {}/app.py, not a",
        ),
    ],
)
def test_what_is_said_when_there_is_none(tmp_path: Path, files: dict[str, str], said: str) -> None:
    name, error = loaded(tmp_path, files)
    assert name == ""
    assert error.startswith("WSGI_APP is not set, and the application can't be loaded: ")
    assert said.format(tmp_path) in error


@pytest.mark.parametrize(
    "named",
    ["shop", "shop.web", "shop.web:site", "shop.web:create_app", "shop.web:create_app()", "shop/web.py",
     "shop/web.py:site", "src/store.py", "shop/__init__.py"],
)  # fmt: skip
def test_flask_app_takes_precedence(tmp_path: Path, named: str) -> None:
    source = FLASK + "site = flask.Flask('one')\ndef create_app(): return site"
    files = {"shop/__init__.py": "from shop.web import site", "shop/web.py": source, "src/store.py": source}
    assert loaded(tmp_path, {**files, "app.py": "raise Exception"}, FLASK_APP=named) == ("one", "")


def test_a_name_that_is_no_modules_is_refused(tmp_path: Path) -> None:
    assert "FLASK_APP=my shop is no module:name: set WSGI_APP" in loaded(tmp_path, {}, FLASK_APP="my shop")[1]


@pytest.mark.parametrize(
    ("named", "name"),
    [
        # As gunicorn has it: `application` before `app`.
        ("both", "application"),
        ("both:app", "app"),
        ("made:create_app('dev')", "dev"),
        ("made:create_app(kind='dev')", "dev"),
        ("made:create_app(**{'kind': 'dev'})", ""),
        ("holder:site.app", "held"),
    ],
)
def test_wsgi_app_names_what_gunicorn_accepts(tmp_path: Path, named: str, name: str) -> None:
    files = {
        "both.py": FLASK + "app = flask.Flask('app')\napplication = flask.Flask('application')",
        "made.py": FLASK + "def create_app(kind): return flask.Flask(kind)",
        "holder.py": FLASK + "class site: app = flask.Flask('held')",
    }
    if name:
        assert loaded(tmp_path, files, WSGI_APP=named) == (name, "")
    else:
        checked = subprocess.run(
            [sys.executable, "-m", "nodrop", "check"],
            cwd=tmp_path, env=environment(tmp_path, WSGI_APP=named), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"WSGI_APP={named!r} can't be accepted" in checked.stderr


def test_arguments_that_the_factory_does_not_take_are_refused(tmp_path: Path) -> None:
    files = {"made.py": "def create_app(kind): ..."}
    assert "the factory takes (kind): too many positional arguments" in loaded(
        tmp_path, files, WSGI_APP="made:create_app(1, 2)"
    )[1]  # fmt: skip


def test_the_working_folder_comes_before_pythonpath(tmp_path: Path) -> None:
    """So that a user's app.py is served in the place of the example that is on the path too."""
    files = {"app.py": FLASK + "app = flask.Flask('mine')"}
    assert (ROOT / "app" / "__init__.py").exists()
    assert loaded(tmp_path, files) == ("mine", "")
