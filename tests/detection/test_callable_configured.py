"""What flask-app.toml says of the application takes precedence, and is checked."""

from pathlib import Path

import pytest

from delivery.detection.callables import find_callable
from delivery.detection.configuration import Configuration
from delivery.detection.description import Problem, Undecided
from delivery.detection.repository import Repository
from tests.detection.repositories import made

SHOP = "from flask import Flask\napp = Flask('shop')\ndef create_app(mode):\n    return Flask(mode)\ndef plain(): ...\n"


def problem(repository: Repository, *, serve: str | None = None, root: str | None = None) -> Problem:
    with pytest.raises(Undecided) as raised:
        find_callable(repository, Configuration(serve=serve, root=root))
    return raised.value.problems[0]


@pytest.mark.parametrize(
    ("serve", "served"),
    [
        ("shop", "shop:app"),
        ("shop:app", "shop:app"),
        ("shop:create_app('dev')", "shop:create_app('dev')"),
        ("shop:create_app(mode='dev')", "shop:create_app(mode='dev')"),
        ("shop:app.wsgi_app", "shop:app.wsgi_app"),
    ],
)
def test_what_gunicorn_accepts_is_accepted(tmp_path: Path, serve: str, served: str) -> None:
    repository = made(tmp_path, {"shop.py": SHOP, "wsgi.py": "from shop import app\n"})
    found = find_callable(repository, Configuration(serve=serve))
    assert (found.value.reference, found.value.root, found.place) == (served, ".", "flask-app.toml")


def test_the_root_is_found_where_only_the_application_is_named(tmp_path: Path) -> None:
    found = find_callable(made(tmp_path, {"src/shop/__init__.py": SHOP}), Configuration(serve="shop:app")).value
    assert (found.reference, found.root, found.kind) == ("shop:app", "src", "Flask")


def test_the_application_is_found_where_only_the_root_is_named(tmp_path: Path) -> None:
    repository = made(tmp_path, {"one/app.py": SHOP, "two/app.py": SHOP})
    found = find_callable(repository, Configuration(root="two"))
    assert (found.value.reference, found.value.root, found.place) == ("app:app", "two", "two/app.py:2")


def test_a_factory_that_needs_no_more_than_a_name_may_be_named_by_its_module(tmp_path: Path) -> None:
    repository = made(tmp_path, {"shop.py": "from flask import Flask\ndef create_app():\n    return Flask('x')\n"})
    assert find_callable(repository, Configuration(serve="shop")).value.reference == "shop:create_app()"


def test_an_application_that_is_installed_may_be_named(tmp_path: Path) -> None:
    repository = made(tmp_path, {"requirements.txt": "big-shop==1.0\n"})
    found = find_callable(repository, Configuration(serve="big_shop.web:app")).value
    assert (found.reference, found.root, found.kind) == ("big_shop.web:app", ".", "WSGI")


def test_a_name_that_is_imported_with_a_star_may_be_named(tmp_path: Path) -> None:
    repository = made(tmp_path, {"shop.py": "from installed import *\n"})
    assert find_callable(repository, Configuration(serve="shop:app")).value.reference == "shop:app"


def test_the_repository_may_be_named_as_its_own_package(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", {"__init__.py": SHOP})
    found = find_callable(repository, Configuration(serve="shop:app", root="..")).value
    assert (found.reference, found.root) == ("shop:app", "..")


@pytest.mark.parametrize(
    ("serve", "cause", "line"),
    [
        ("shop.py", "names the module shop.py, but neither shop/py.py nor shop/py/__init__.py exists", "shop:app"),
        ("store:app", "names the module store, but neither store.py nor store/__init__.py exists", "shop:app"),
        ("shop:ap", "names shop:ap, but shop.py has no such application", "shop:app"),
        ("shop:plain", "names shop.py:5, a function that doesn't take environ and", "shop:plain()"),
        ("shop:app)", "isn't a module, module:name or module:factory(arguments) with literal", "shop:app"),
        ("shop:create_app(MODE)", "isn't a module, module:name or module:factory(arguments)", "shop:app"),
        ("shop:create_app", "names the factory shop.py:3 without calling it", "shop:create_app(mode='production')"),
        ("shop:create_app()", "calls create_app without mode (shop.py:3)", "shop:create_app(mode='production')"),
        (
            "shop:create_app('a', 'b')",
            "calls create_app with arguments that it doesn't take",
            "shop:create_app(mode='production')",
        ),
        ("tidy:app", "names tidy.py:2, which is ASGI", "shop:app"),
        ("empty", "names empty, but empty.py has no such application", "shop:app"),
    ],
)
def test_a_mistake_is_named_with_the_line_to_write(tmp_path: Path, serve: str, cause: str, line: str) -> None:
    files = {"shop.py": SHOP, "tidy.py": "from fastapi import FastAPI\napp = FastAPI()\n", "empty.py": ""}
    said = problem(made(tmp_path, files), serve=serve)
    assert said.cause.startswith(f"flask-app.toml: serve = {serve!r} {cause}")
    assert said.line == f'serve = "{line}"'


def test_a_file_that_can_not_be_parsed_is_named_with_the_reason(tmp_path: Path) -> None:
    said = problem(made(tmp_path, {"shop.py": "print 'Python 2'\n"}), serve="shop:app")
    assert "names shop.py, which can't be parsed: Missing parentheses" in said.cause


def test_a_module_that_lies_below_two_roots_needs_the_root_too(tmp_path: Path) -> None:
    said = problem(made(tmp_path, {"one/app.py": SHOP, "two/app.py": SHOP}), serve="app:app")
    assert said.cause.endswith("matches several files: one/app.py, two/app.py")
    assert said.line == 'root = "one"'


def test_an_example_may_be_named_by_its_root(tmp_path: Path) -> None:
    repository = made(tmp_path, {"examples/app.py": SHOP, "library.py": "class Shop: ..."})
    found = find_callable(repository, Configuration(root="examples")).value
    assert (found.reference, found.root) == ("app:app", "examples")


def test_the_file_that_was_looked_for_is_named_below_the_root(tmp_path: Path) -> None:
    said = problem(made(tmp_path, {"shop.py": SHOP, "src/other.py": ""}), serve="shop:app", root="src")
    assert "neither src/shop.py nor src/shop/__init__.py exists" in said.cause


@pytest.mark.parametrize("root", ["nowhere", "/srv", "../other", ".."])
def test_a_root_outside_of_the_repository_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "other").mkdir()
    said = problem(made(tmp_path / "shop", {"app.py": SHOP}), root=root)
    assert said.cause == f"flask-app.toml: root = {root!r} isn't a folder of the repository"
    assert said.line == 'root = "src"'


def test_the_applications_that_could_be_named_are_listed(tmp_path: Path) -> None:
    said = problem(made(tmp_path, {"shop.py": SHOP}), serve="store")
    assert [(each.value, each.place) for each in said.candidates] == [
        ("shop:app", "shop.py:2"),
        ("shop:create_app()", "shop.py:3"),
    ]
