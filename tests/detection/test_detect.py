"""The description as a whole: its parts together, what is printed, and what is written to flask-app.toml."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from delivery.checkout import default_python
from delivery.detection import detect as detection
from delivery.detection.__main__ import main
from delivery.detection.configuration import Job, read
from delivery.detection.description import (
    Dependencies,
    Description,
    Found,
    Problem,
    Process,
    Role,
    Served,
    Setting,
    Style,
    Surroundings,
    Undecided,
    Written,
)
from delivery.detection.detect import detect
from delivery.detection.report import describe, explain
from delivery.detection.repository import Repository
from delivery.detection.written import content
from tests.detection.repositories import made

SERVED = Found(Served("shop.wsgi:app", "src", "Flask"), "src/shop/wsgi.py:3")
NEEDS = Dependencies(
    Style.REQUIREMENTS,
    ("requirements.txt",),
    "requirements.txt",
    Found("3.13", "default"),
    is_package=False,
    apt=(Found("libpq5", "requirements.txt:2"),),
    notes=("requirements.txt:1 pins gunicorn 20.1.0, which nodrop's own replaces.",),
)
AROUND = Surroundings(
    processes=(
        Process("mail", Role.WORKER, "celery --app shop.tasks worker", "Procfile:2"),
        Process("report", Role.JOB, 'flask report --title "A"', "app.json", "0 3 * * *"),
    ),
    migration=Found("flask db upgrade", "migrations/env.py"),
    settings=(
        Setting("DATABASE_URL", "src/shop/config.py:4", required=True, secret=True),
        Setting("CURRENCY", "src/shop/config.py:5", required=False, secret=False, default="EUR"),
        Setting("SHOP_NAME", "src/shop/config.py:6", required=True, secret=False),
    ),
    health=Found("/healthz", "src/shop/views.py:9"),
    writes=(
        Written("instance", "src/shop/__init__.py:8", "instance folder", shared=True),
        Written("generated", "src/shop/pages.py:8", "folder", shared=False),
        Written("shop.db", "src/shop/config.py:7", "SQLite database", shared=True),
    ),
    services=(Found("postgresql", "requirements.txt:2"), Found("redis", "src/shop/tasks.py:1")),
    notes=("src/shop/config.py:9 makes a SECRET_KEY anew for each process.",),
)
Parts = Callable[..., None]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Sets what the parts find; an Undecided is raised."""

    def set_to(served: Any = SERVED, needs: Any = NEEDS, around: Any = AROUND) -> None:
        def finding(found: Any) -> Callable[..., Any]:
            def find(*_: object) -> Any:
                if isinstance(found, Exception):
                    raise found
                return found

            return find

        monkeypatch.setattr(detection, "find_callable", finding(served))
        monkeypatch.setattr(detection, "find_dependencies", finding(needs))
        monkeypatch.setattr(detection, "find_surroundings", finding(around))

    return set_to


def test_the_problems_of_all_parts_are_said_together(tmp_path: Path, parts: Parts) -> None:
    one, two = Problem("no application is found", "name it"), Problem("no requirements are found", "write them")
    parts(served=Undecided(one, two), needs=Undecided(two))
    with pytest.raises(Undecided) as raised:
        detect(tmp_path, "3.13")
    assert raised.value.problems == (one, two)


def test_the_name_can_be_set(tmp_path: Path, parts: Parts) -> None:
    parts()
    assert detect(made(tmp_path, {"flask-app.toml": 'name = "kiosk"'}).folder, "3.13").name == "kiosk"


def test_each_fact_is_printed_with_its_place() -> None:
    description = Description(Path("/home/me/shop"), "shop", SERVED, NEEDS, AROUND)
    assert describe(description).splitlines() == [
        "shop, from /home/me/shop",
        "",
        "Application",
        "  serves           shop.wsgi:app (Flask)                src/shop/wsgi.py:3",
        "  import path      src/ is first                        src/shop/wsgi.py:3",
        "  health check     /healthz                             src/shop/views.py:9",
        "  service          postgresql                           requirements.txt:2",
        "                   redis                                src/shop/tasks.py:1",
        "",
        "Image",
        "  Python           3.13                                 default",
        "  requirements     requirements.txt",
        "  Debian package   libpq5                               requirements.txt:2",
        "",
        "Workers, CronJobs and migration",
        "  migration        flask db upgrade                     migrations/env.py",
        "  worker mail      celery --app shop.tasks worker       Procfile:2",
        '  cron job report  0 3 * * *  flask report --title "A"  app.json',
        "",
        "Environment variables",
        "  DATABASE_URL     required, secret                     src/shop/config.py:4",
        "  CURRENCY         optional, default EUR                src/shop/config.py:5",
        "  SHOP_NAME        required                             src/shop/config.py:6",
        "",
        "Written to",
        "  instance folder  instance (shared by all pods)        src/shop/__init__.py:8",
        "  folder           generated                            src/shop/pages.py:8",
        "  SQLite database  shop.db (shared by all pods)         src/shop/config.py:7",
        "",
        "Notes",
        "  - requirements.txt:1 pins gunicorn 20.1.0, which nodrop's own replaces.",
        "  - src/shop/config.py:9 makes a SECRET_KEY anew for each process.",
        "",
        "Any of it can be set in flask-app.toml, which takes precedence. `make detect APP=... WRITE=1` writes it.",
    ]


@pytest.mark.parametrize(
    ("cause", "printed"),
    [
        ("the repository is a library", "The repository is a library."),
        ("git isn't installed", "Git isn't installed."),
        ("shop:app is None", "shop:app is None."),
        ("shop.py isn't valid", "shop.py isn't valid."),
        ("flask-app.toml: unknown key", "flask-app.toml: unknown key."),
        ("create_app() takes a path", "create_app() takes a path."),
        ("--python doesn't exist", "--python doesn't exist."),
    ],
)
def test_a_cause_begins_with_a_capital_unless_it_begins_with_code(cause: str, printed: str) -> None:
    assert f"  {printed}\n" in explain([Problem(cause, "correct it")])


def test_a_problem_is_printed_with_its_candidates_and_the_line_that_decides() -> None:
    candidates = (Found("shop:app", "shop.py:3"), Found("shop.admin:app", "shop/admin.py:12"))
    problem = Problem(
        "2 applications could be served", "choose one in flask-app.toml", candidates, 'serve = "shop:app"'
    )
    assert explain([problem, Problem("no file declares them: shop.py", "write requirements.txt")]).splitlines() == [
        "This application can't be served as it is: 2 problems.",
        "",
        "  2 applications could be served.",
        "    shop:app        shop.py:3",
        "    shop.admin:app  shop/admin.py:12",
        "  To solve it: choose one in flask-app.toml.",
        '    serve = "shop:app"',
        "",
        "  No file declares them: shop.py.",
        "  To solve it: write requirements.txt.",
    ]


def test_what_is_written_is_read_again_as_it_was_found(tmp_path: Path, parts: Parts) -> None:
    parts()
    folder = made(tmp_path / "shop", {"src/shop/wsgi.py": ""}).folder
    assert main([str(folder), "--write"]) == 0
    found = read(Repository(folder))
    assert (found.name, found.serve, found.root) == ("shop", "shop.wsgi:app", "src")
    assert (found.migrate, found.health, found.writable) == ("flask db upgrade", "/healthz", ("instance",))
    assert (found.services, found.secrets) == (("postgresql", "redis"), ("DATABASE_URL",))
    assert found.workers == {"mail": "celery --app shop.tasks worker"}
    assert found.jobs == {"report": Job("0 3 * * *", 'flask report --title "A"')}
    text = (folder / "flask-app.toml").read_text()
    assert 'serve = "shop.wsgi:app"  # src/shop/wsgi.py:3' in text
    assert '# python = "3.13"  # default' in text
    assert '# SHOP_NAME = ""  # src/shop/config.py:6' in text


def test_an_application_with_nothing_around_it_is_written_too(tmp_path: Path) -> None:
    served = Found(Served("app:app", ".", "Flask"), "app.py:3")
    text = content(Description(tmp_path, "shop", served, NEEDS, Surroundings()))
    assert "root" not in text
    assert read(made(tmp_path, {"flask-app.toml": text})).serve == "app:app"


@pytest.mark.parametrize("file", ["flask-app.toml", "pyproject.toml"])
def test_a_configuration_that_is_there_is_not_overwritten(
    tmp_path: Path, parts: Parts, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    parts()
    text = 'name = "kiosk"\n' if file == "flask-app.toml" else '[tool.flask-app]\nname = "kiosk"\n'
    made(tmp_path, {file: text})
    assert main([str(tmp_path), "--write"]) == 2
    assert (tmp_path / file).read_text() == text
    assert "exists and isn't overwritten" in capsys.readouterr().err


def test_json_has_the_whole_description(tmp_path: Path, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    parts()
    assert main([str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["served"]["value"]["reference"] == "shop.wsgi:app"
    assert found["surroundings"]["processes"][0]["role"] == "worker"
    parts(needs=Undecided(Problem("no requirements", "write them")))
    assert main([str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"][0]["cause"] == "no requirements"


def test_what_is_undecided_ends_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err


def test_the_default_python_is_that_of_the_image() -> None:
    assert default_python().startswith("3.")
