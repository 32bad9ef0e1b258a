"""What can't be served, or not without a word of its author: the cause, the candidates, and the line to write."""

from pathlib import Path

import pytest

from delivery.detection import repository as reading
from delivery.detection.callables import find_callable
from delivery.detection.configuration import Configuration
from delivery.detection.description import Problem, Undecided
from tests.detection.repositories import made

FLASK = "from flask import Flask\napp = Flask(__name__)\n"


def problem(folder: Path, files: dict[str, str]) -> Problem:
    with pytest.raises(Undecided) as raised:
        find_callable(made(folder, files), Configuration())
    return raised.value.problems[0]


def test_two_applications_are_listed_each_with_its_place_and_why(tmp_path: Path) -> None:
    said = problem(tmp_path, {"one.py": FLASK, "two.py": FLASK})
    assert said.cause == "2 applications could be served, and nothing says which one production serves"
    assert [(each.value, each.place) for each in said.candidates] == [
        ("one:app", "one.py:2: a server looks for the name app"),
        ("two:app", "two.py:2: a server looks for the name app"),
    ]
    assert (said.remedy, said.line) == ("choose one in flask-app.toml", 'serve = "one:app"')


def test_two_that_have_nothing_to_do_with_each_other_are_as_likely_at_any_depth(tmp_path: Path) -> None:
    said = problem(
        tmp_path, {"shop/__init__.py": "", "shop/web.py": FLASK, "shop/a/__init__.py": "", "shop/a/b.py": FLASK}
    )
    assert [each.value for each in said.candidates] == ["shop.web:app", "shop.a.b:app"]


def test_two_of_one_name_are_told_apart_by_their_roots(tmp_path: Path) -> None:
    said = problem(tmp_path, {"one/app.py": FLASK, "two/app.py": FLASK})
    assert said.line == 'root = "one"'


def test_production_files_that_name_two_decide_nothing(tmp_path: Path) -> None:
    said = problem(tmp_path, {"one.py": FLASK, "two.py": FLASK, "start.sh": "gunicorn one:app &\ngunicorn two:app\n"})
    assert [each.place for each in said.candidates] == [
        "one.py:2: start.sh:1 passes it to gunicorn; a server looks for the name app",
        "two.py:2: start.sh:2 passes it to gunicorn; a server looks for the name app",
    ]


def test_a_factory_with_arguments_is_named_with_them(tmp_path: Path) -> None:
    said = problem(tmp_path, {"shop.py": "import flask\ndef create_app(mode, path):\n    return flask.Flask(mode)\n"})
    assert said.cause == "the factory shop:create_app (shop.py:2) requires mode and path"
    assert said.line == "serve = \"shop:create_app(mode='production', path='...')\""
    assert "set the arguments in flask-app.toml" in said.remedy


def test_a_factory_that_opens_a_file_it_is_not_given_is_not_called_without(tmp_path: Path) -> None:
    shop = """
        import flask
        def load(file):
            return open(file)
        def create_app(settings_file=None):
            load(settings_file)
            return flask.Flask('shop')
    """
    said = problem(tmp_path, {"shop.py": shop})
    assert said.cause == ("the factory shop:create_app (shop.py:4) opens settings_file, whose default is None")
    assert said.line == "serve = \"shop:create_app(settings_file='...')\""


def test_a_class_with_arguments_is_named_with_them(tmp_path: Path) -> None:
    said = problem(
        tmp_path, {"shop.py": "import flask\nclass Shop(flask.Flask):\n    def __init__(self, config): ...\n"}
    )
    assert said.cause == "the factory shop:Shop (shop.py:3) requires config"


def test_an_application_made_of_nothing_is_not_what_is_meant(tmp_path: Path) -> None:
    shop = "import flask\ndef create_app(books):\n    return flask.Flask('shop')\napp = create_app([])\n"
    said = problem(tmp_path, {"shop.py": shop})
    assert said.cause == "shop:app (shop.py:4) is given an empty books"
    assert said.line == "serve = \"shop:create_app(books='...')\""


STEPS = {
    "registers routes (register_blueprint)": "    app.register_blueprint(pages)\n",
    "sets 'BOOKS'": "    app.config['BOOKS'] = 1\n",
    "sets its configuration": "    app.config.update(BOOKS=1)\n",
    "sets secret_key": "    app.secret_key = 'x'\n",
    "initializes login": "    login.init_app(app)\n",
    "starts the thread poll": "    Thread(target=poll).start()\n    app.run()\n",
}


@pytest.mark.parametrize("what", STEPS)
def test_an_application_that_a_function_completes_is_refused_with_the_function(tmp_path: Path, what: str) -> None:
    main = f"def main():\n{STEPS[what]}"
    said = problem(tmp_path, {"shop.py": f"from threading import Thread\n{FLASK}def poll(): ...\n{main}"})
    assert said.cause.startswith(f"shop:app is incomplete when imported: shop.main() {what} (shop.py:")
    assert said.cause.endswith("and a server doesn't call it")
    assert said.line == 'serve = "wsgi:app"'
    assert "if the application works without that, set `serve` to shop:app instead" in said.remedy


def test_pages_registered_in_the_main_guard_are_missed(tmp_path: Path) -> None:
    said = problem(
        tmp_path, {"shop.py": FLASK + "if __name__ == '__main__':\n    app.register_blueprint(pages)\n    app.run()\n"}
    )
    assert "is incomplete when imported: the block under `if __name__ == '__main__':` registers routes" in said.cause


def test_an_application_that_is_none_until_a_function_is_called(tmp_path: Path) -> None:
    shop = "import flask\napp = None\ndef begin():\n    global app\n    app = flask.Flask('shop')\n"
    said = problem(tmp_path, {"shop.py": shop})
    assert said.cause == (
        "shop:app is None until shop.begin() (shop.py:3) is called, and importing the module doesn't call it"
    )


def test_an_application_made_from_the_command_line(tmp_path: Path) -> None:
    shop = "import sys, flask\ndef create_app():\n    path = sys.argv[1]\n    return flask.Flask(path)\n"
    said = problem(tmp_path, {"shop.py": shop})
    assert said.cause.startswith("shop:create_app is created from command-line arguments (shop.py:3)")


def test_the_object_of_a_worker_is_not_served_for_a_factory_that_needs_arguments(tmp_path: Path) -> None:
    files = {
        "shop.py": "import flask\ndef create_app(mode):\n    return flask.Flask(mode)\n",
        "celery_worker.py": "from shop import create_app\napp = create_app('x')\n",
    }
    assert problem(tmp_path, files).line == "serve = \"shop:create_app(mode='production')\""


def test_a_function_that_takes_a_request_is_not_served_unless_it_is_called_an_application(tmp_path: Path) -> None:
    said = problem(tmp_path, {"errors.py": "def not_found(environ, start_response): ...\n"})
    assert said.cause.startswith("errors:not_found (errors.py:1) takes environ and start_response, but may")
    assert said.line == 'serve = "errors:not_found"'


def test_a_function_that_is_given_a_request_makes_no_application(tmp_path: Path) -> None:
    answer = "class Answer:\n    def __call__(self, environ, start_response): ...\n"
    said = problem(tmp_path, {"shop.py": answer + "def api(request):\n    return Answer()\n"})
    assert said.cause == "no WSGI application was found in 1 Python files"


def test_an_example_to_fill_in_is_not_served(tmp_path: Path) -> None:
    files = {"wsgi.py": "import flask\nhome = '/path/to/shop'\napp = flask.Flask(home)\n"}
    said = problem(tmp_path, files)
    assert said.cause == "wsgi:app is a template to copy: '/path/to/shop' (wsgi.py:2) is a placeholder"


def test_an_application_that_stays_inside_of_a_function(tmp_path: Path) -> None:
    said = problem(tmp_path, {"shop.py": "import flask\ndef main():\n    app = flask.Flask('shop')\n    app.run()\n"})
    assert said.cause == ("the application is a local variable of shop.main() (shop.py:3), so a server can't import it")


def test_an_application_that_is_made_only_when_the_module_is_started(tmp_path: Path) -> None:
    said = problem(tmp_path, {"shop.py": "import flask\nif __name__ == '__main__':\n    flask.Flask('shop').run()\n"})
    assert said.cause.startswith(
        "the application is a local variable of the block under `if __name__ == '__main__':` (shop.py:3)"
    )


def test_the_likelier_application_is_not_passed_over_for_lacking_something(tmp_path: Path) -> None:
    shop = FLASK + "def main():\n    app.register_blueprint(pages)\n"
    said = problem(tmp_path, {"shop.py": shop, "tools/helper.py": FLASK})
    assert said.cause.startswith("shop:app is incomplete when imported: shop.main()")


ASGI = {
    "FastAPI": "from fastapi import FastAPI\napp = FastAPI()\n",
    "Starlette": "from starlette.applications import Starlette\napp = Starlette()\n",
    "Quart": "import quart\napp = quart.Quart(__name__)\n",
    "a plain function": "async def app(scope, receive, send): ...\n",
}


@pytest.mark.parametrize("kind", ASGI)
def test_asgi_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    said = problem(tmp_path, {"shop.py": ASGI[kind]})
    assert said.cause.startswith("shop:app (shop.py:")
    assert said.cause.endswith("is an ASGI application, and nodrop serves WSGI")
    assert "a2wsgi.ASGIMiddleware" in said.remedy


def test_an_asgi_application_that_production_starts_is_what_is_meant(tmp_path: Path) -> None:
    files = {"shop.py": ASGI["FastAPI"], "admin.py": FLASK, "Dockerfile": "CMD uvicorn shop:app\n"}
    assert problem(tmp_path, files).cause.startswith("shop:app (shop.py:2) is an ASGI application")


@pytest.mark.parametrize(
    "source",
    ["from aiohttp import web\napp = web.Application()\n", "import tornado.web\napp = tornado.web.Application([])\n"],
)
def test_a_server_of_its_own_is_refused_by_name(tmp_path: Path, source: str) -> None:
    said = problem(tmp_path, {"shop.py": source, "pyproject.toml": "[project.scripts]\nshop = 'shop:main'\n"})
    assert said.cause == "shop:app (shop.py:2) has its own server and isn't a WSGI application"
    assert "(its own command is `shop`)" in said.remedy


def test_a_library_has_no_application(tmp_path: Path) -> None:
    said = problem(tmp_path, {"flask_shop/__init__.py": "from flask import Blueprint\nclass Shop: ...\n"})
    assert said.cause == "no WSGI application was found in 1 Python files"
    assert "if it is a library, serve an application that uses it" in said.remedy
    assert said.line == 'serve = "module:name"'


def test_a_library_is_not_served_by_its_example(tmp_path: Path) -> None:
    files = {"setup.py": "", "flask_shop/__init__.py": "class Shop: ...", "examples/one.py": FLASK}
    said = problem(tmp_path, files)
    assert said.cause == (
        "the only applications are in folders of examples and tests, so the repository is probably a library"
    )
    assert [each.value for each in said.candidates] == ["one:app"]
    assert said.line == 'serve = "one:app"'


def test_files_that_can_not_be_parsed_are_said(tmp_path: Path) -> None:
    said = problem(tmp_path, {"shop.py": "import flask\nprint 'Python 2'\n"})
    assert said.cause.startswith(
        "no WSGI application was found in 1 Python files, of which 1 can't be parsed (shop.py: "
    )


def test_an_application_of_paste_needs_its_ini_file(tmp_path: Path) -> None:
    setup = "setup(entry_points='''\n[paste.app_factory]\nmain = shop.config:make_app\n''')\n"
    said = problem(tmp_path, {"setup.py": setup, "shop/__init__.py": ""})
    assert said.cause == (
        "PasteDeploy creates the application from an ini file (setup.py: paste.app_factory = shop.config:make_app)"
    )


def test_a_package_in_a_folder_of_no_module_s_name_is_refused(tmp_path: Path) -> None:
    said = problem(tmp_path / "my-shop", {"__init__.py": FLASK + "from .views import pages\n", "views.py": ""})
    assert said.cause == (
        "the repository is itself a package (__init__.py), and its folder's name 'my-shop' isn't a module name"
    )
    assert said.remedy == "rename the folder, for example to my_shop"


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 1)
    said = problem(tmp_path, {"app.py": FLASK, "other.py": ""})
    assert "has more than 1 files" in said.cause
    assert said.remedy == "pass the folder that contains the application"
