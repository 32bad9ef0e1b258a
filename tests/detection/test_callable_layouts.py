"""What is served in each layout that people give their applications, with nothing but the modules to tell it."""

from pathlib import Path

import pytest

from delivery.detection.callables import find_callable
from delivery.detection.configuration import Configuration
from tests.detection.repositories import made

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "from flask import Flask\ndef create_app(config=None):\n    app = Flask(__name__)\n    return app\n"
IMPORTING = "from flask import Flask\nfrom models import db\napp = Flask(__name__)\n"

LAYOUTS: dict[str, tuple[dict[str, str], tuple[str, str, str]]] = {
    "a module app": ({"app.py": FLASK}, ("app:app", ".", "Flask")),
    "a package app, imported from app": (
        {
            "app/__init__.py": FLASK + "from app import routes\n",
            "app/routes.py": "from app import app\n@app.route('/')\ndef index(): return ''\n",
        },
        ("app:app", ".", "Flask"),
    ),
    "a module wsgi beside the factory": (
        {"shop/__init__.py": FACTORY, "wsgi.py": "from shop import create_app\napplication = create_app()\n"},
        ("wsgi:application", ".", "Flask"),
    ),
    "a factory that a package passes on": (
        {
            "shop/__init__.py": "from .factory import create_app\n",
            "shop/factory.py": FACTORY,
            "wsgi.py": "from shop import create_app\napp = create_app()\n",
        },
        ("wsgi:app", ".", "Flask"),
    ),
    "a factory alone": ({"shop/__init__.py": FACTORY}, ("shop:create_app()", ".", "Flask")),
    "a factory that is only annotated": (
        {"shop.py": "from flask import Flask\ndef make() -> 'Flask':\n    return build_it()\n"},
        ("shop:make()", ".", "Flask"),
    ),
    "a src layout": (
        {
            "src/shop/__init__.py": "from importlib.metadata import version\n__version__ = version('shop')\n",
            "src/shop/app.py": FLASK,
        },
        ("shop.app:app", "src", "Flask"),
    ),
    "a folder that setuptools names": (
        {
            "pyproject.toml": "[tool.setuptools.packages.find]\nwhere = ['lib']\n",
            "lib/shop/app.py": FLASK,
        },
        ("shop.app:app", "lib", "Flask"),
    ),
    "an application in a folder of its own": (
        {"backend/app.py": IMPORTING, "backend/models.py": "db = 1\n", "frontend/package.json": "{}"},
        ("app:app", "backend", "Flask"),
    ),
    "scripts in a folder with a stray __init__.py": (
        {"server/__init__.py": "", "server/main.py": IMPORTING, "server/models.py": "db = 1\n"},
        ("main:app", "server", "Flask"),
    ),
    "a folder whose name is no module's": (
        {"src/shop-server/app.py": FLASK},
        ("app:app", "src/shop-server", "Flask"),
    ),
    "an application that a call makes by its configuration": (
        {
            "shop/__init__.py": FACTORY,
            "run.py": "import os\nfrom shop import create_app\napp = create_app(os.getenv('E'))\n",
        },
        ("run:app", ".", "Flask"),
    ),
    "a subclass of Flask": (
        {"shop.py": "import flask\nclass Shop(flask.Flask): pass\nserver = Shop(__name__)\n"},
        ("shop:server", ".", "Flask"),
    ),
    "a class that is itself the factory": (
        {"shop.py": "from flask import Flask\nclass Shop(Flask):\n    def __init__(self): super().__init__('shop')\n"},
        ("shop:Shop()", ".", "Flask"),
    ),
    "a global that a function assigns when it is imported": (
        {"shop.py": "import flask\napp = None\ndef begin():\n    global app\n    app = flask.Flask('s')\nbegin()\n"},
        ("shop:app", ".", "Flask"),
    ),
    "the blueprints are in a package, each of which imports the application": (
        {"shop/__init__.py": "", "shop/core.py": FLASK, "shop/views.py": "from shop.core import app\n"},
        ("shop.core:app", ".", "Flask"),
    ),
    "a repository that is nothing but a demonstration": (
        {"demo/app.py": FLASK, "setup.py": ""},
        ("app:app", "demo", "Flask"),
    ),
    "Django": (
        {
            "site/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
            "site/__init__.py": "",
            "manage.py": "",
        },
        ("site.wsgi:application", ".", "Django"),
    ),
    "Dash": (
        {"dashboard.py": "from dash import Dash\napp = Dash(__name__)\n"},
        ("dashboard:app.server", ".", "Dash"),
    ),
    "Dash whose server has a name": (
        {"dashboard.py": "from dash import Dash\nboard = Dash(__name__)\nserver = board.server\n"},
        ("dashboard:server", ".", "Dash"),
    ),
    "a function that takes a request": (
        {"hello.py": "def application(environ, start_response):\n    return [b'']\n"},
        ("hello:application", ".", "WSGI"),
    ),
    "an object that takes a request": (
        {"hello.py": "class Hello:\n    def __call__(self, environ, start_response): ...\napp = Hello()\n"},
        ("hello:app", ".", "WSGI"),
    ),
    "one of several things that a factory returns": (
        {
            "shop.py": "import flask\ndef make():\n    app = flask.Flask('x')\n    return app, 1\n"
            "server, database = make()\n"
        },
        ("shop:server", ".", "Flask"),
    ),
    "one of several things that are assigned at once": (
        {"shop.py": "import flask\ndatabase, server = 1, flask.Flask('x')\n"},
        ("shop:server", ".", "Flask"),
    ),
    "middleware around the application": (
        {
            "shop.py": FLASK,
            "wsgi.py": "from shop import app\nfrom whitenoise import WhiteNoise\napp = WhiteNoise(app)\n",
        },
        ("wsgi:app", ".", "Flask"),
    ),
    "middleware that a function of the repository adds": (
        {
            "shop.py": "import bottle\ndef wrapped(inner, name): return inner\n"
            "def make():\n    return wrapped(bottle.Bottle(), 'x')\n"
        },
        ("shop:make()", ".", "WSGI"),
    ),
    "an application of a library that is not known, in a module for servers": (
        {"shop/wsgi.py": "from unknown import build\napplication = build()\n", "shop/__init__.py": ""},
        ("shop.wsgi:application", ".", "WSGI"),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_application_is_found(tmp_path: Path, layout: str) -> None:
    files, expected = LAYOUTS[layout]
    found = find_callable(made(tmp_path / "my-flask-app", files), Configuration()).value
    assert (found.reference, found.root, found.kind) == expected


OF_ONE_FACTORY: dict[str, tuple[dict[str, str], str]] = {
    "the object that is made of it, which may be given more": (
        {"app/__init__.py": FACTORY, "app/main.py": "from app import create_app\napp = create_app()\n"},
        "app.main:app",
    ),
    "the object for management, where nothing else knows the arguments": (
        {
            "shop.py": "import flask\ndef create_app(mode):\n    return flask.Flask(mode)\n",
            "manage.py": "from shop import create_app\napp = create_app('default')\n",
        },
        "manage:app",
    ),
    "the factory rather than the object for management": (
        {"shop.py": FACTORY, "manage.py": "from shop import create_app\napp = create_app()\n"},
        "shop:create_app()",
    ),
}


@pytest.mark.parametrize("case", OF_ONE_FACTORY)
def test_of_a_factory_and_what_it_makes_is_served(tmp_path: Path, case: str) -> None:
    files, expected = OF_ONE_FACTORY[case]
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == expected


def test_a_name_with_a_blank_and_one_with_a_hyphen_are_no_matter(tmp_path: Path) -> None:
    repository = made(tmp_path / "my shop" / "the-app", {"app.py": FLASK})
    assert find_callable(repository, Configuration()).value.reference == "app:app"


DECOYS: dict[str, tuple[dict[str, str], str]] = {
    "the tests make applications": ({"shop.py": FLASK, "tests/conftest.py": FACTORY}, "shop:app"),
    "Celery's module makes one": (
        {"shop/__init__.py": FACTORY, "celery_worker.py": "from shop import create_app\napp = create_app()\n"},
        "shop:create_app()",
    ),
    "a command makes one": ({"shop/__init__.py": FACTORY, "shop/cli.py": FLASK}, "shop:create_app()"),
    "Django is offered beside Flask, and not required": (
        {
            "requirements.txt": "flask==3.1.0\n",
            "shop/app.py": FLASK,
            "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
        },
        "app:app",
    ),
    "another that it imports lies deeper": (
        {
            "shop/__init__.py": "",
            "shop/web.py": FLASK + "from shop.admin import pages\n",
            "shop/admin/__init__.py": "",
            "shop/admin/pages.py": FLASK,
        },
        "shop.web:app",
    ),
    "an ASGI twin wraps it": (
        {
            "shop.py": FLASK,
            "twin.py": "from asgiref.wsgi import WsgiToAsgi\nfrom shop import app\nasgi = WsgiToAsgi(app)\n",
        },
        "shop:app",
    ),
    "a factory that needs what another gives it": (
        {"shop.py": FACTORY + "def create_app_of(backend):\n    return create_app()\n"},
        "shop:create_app()",
    ),
    "a function that is given the application": (
        {"shop.py": FLASK + "def with_pages(app: Flask) -> Flask:\n    return app\n"},
        "shop:app",
    ),
    "an extension of the application": (
        {"shop.py": FLASK + "from flask_socketio import SocketIO\nsocketio = SocketIO(app)\n"},
        "shop:app",
    ),
    "a server that is started in the main guard": (
        {"shop.py": FLASK + "if __name__ == '__main__':\n    app = None\n    app.run()\n"},
        "shop:app",
    ),
    "options of a factory with a test for each": (
        {"shop.py": "import flask\ndef create_app(path=None):\n    if path: open(path)\n    return flask.Flask('x')\n"},
        "shop:create_app()",
    ),
    "an instance folder that Flask makes itself": (
        {"shop.py": "import flask\ndef create_app(instance_path=None):\n    return flask.Flask('x', instance_path)\n"},
        "shop:create_app()",
    ),
    "a browser that opens beside the server": (
        {
            "shop.py": FLASK + "from threading import Thread\ndef open_browser(): ...\n"
            "def main():\n    Thread(target=open_browser).start()\n    app.run()\n"
        },
        "shop:app",
    ),
    "settings for debugging that only a command sets": (
        {"shop.py": FLASK + "def debug():\n    app.config['SQLALCHEMY_ECHO'] = True\n"},
        "shop:app",
    ),
    "pages that are registered when it is imported": (
        {"shop.py": FLASK + "def register():\n    app.register_blueprint(None)\nregister()\n"},
        "shop:app",
    ),
}


@pytest.mark.parametrize("decoy", DECOYS)
def test_what_looks_like_an_application_is_not_taken(tmp_path: Path, decoy: str) -> None:
    files, expected = DECOYS[decoy]
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == expected


def test_a_repository_that_is_itself_a_package_is_imported_from_its_parent(tmp_path: Path) -> None:
    repository = made(
        tmp_path / "shop",
        {"__init__.py": FACTORY + "from shop import routes\n", "routes.py": "from flask import Blueprint\n"},
    )
    found = find_callable(repository, Configuration()).value
    assert (found.reference, found.root) == ("shop:create_app()", "..")


def test_a_package_that_imports_relatively_is_one_too(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", {"__init__.py": "", "app.py": "from .core import app\n", "core.py": FLASK})
    found = find_callable(repository, Configuration()).value
    assert (found.reference, found.root) == ("shop.core:app", "..")


def test_scripts_beside_a_stray_init_are_imported_from_the_repository(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", {"__init__.py": "", "app.py": IMPORTING, "models.py": "db = 1\n"})
    found = find_callable(repository, Configuration()).value
    assert (found.reference, found.root) == ("app:app", ".")


def test_the_example_of_this_project_is_found() -> None:
    from delivery.detection.repository import Repository

    found = find_callable(Repository(Path(__file__).resolve().parents[2] / "app"), Configuration())
    assert (found.value.reference, found.value.root) == ("app:create_app()", "..")
    assert found.place.startswith("__init__.py:")


def test_nothing_of_the_repository_is_run(tmp_path: Path) -> None:
    repository = made(tmp_path, {"app.py": FLASK + "raise SystemExit('run')\n", "conf.py": "import app\n"})
    assert find_callable(repository, Configuration()).value.reference == "app:app"
