"""Migrations, build steps and the frontend."""

from pathlib import Path

import pytest

from tests.detection.surrounding import FLASK, found

FLASK_MIGRATE = "from alembic import context\nfrom flask import current_app\n"
ALEMBIC = "from alembic import context\n"
MANAGE = "import django.core.management\n"
WSGI = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"


def migration(folder: Path, files: dict[str, str], serve: str = "app:app", kind: str = "Flask") -> str | None:
    """The command that migrates, if there is one."""
    one = found(folder, {"app.py": FLASK, **files}, serve, kind=kind).migration
    return one.value if one else None


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"migrations/env.py": FLASK_MIGRATE}, "env FLASK_APP=app:app flask db upgrade"),
        (
            {"shop/migrations/env.py": FLASK_MIGRATE},
            "env FLASK_APP=app:app flask db upgrade --directory shop/migrations",
        ),
        (
            {"migrations/env.py": FLASK_MIGRATE, "manage.py": "from flask_migrate import MigrateCommand\n"},
            "python manage.py db upgrade",
        ),
        ({"alembic.ini": "[alembic]\nscript_location = alembic\n", "alembic/env.py": ALEMBIC}, "alembic upgrade head"),
        (
            {"db/alembic.ini": "[alembic]\nscript_location = %(here)s/scripts\n", "db/scripts/env.py": ALEMBIC},
            "alembic --config db/alembic.ini upgrade head",
        ),
        ({"Procfile": "release: ./migrate.sh\n", "migrations/env.py": FLASK_MIGRATE}, "./migrate.sh"),
        ({"flask-app.toml": "migrate = false\n", "migrations/env.py": FLASK_MIGRATE}, None),
        ({"flask-app.toml": 'migrate = "make migrate"\n', "migrations/env.py": FLASK_MIGRATE}, "make migrate"),
        ({"tests/migrations/env.py": FLASK_MIGRATE}, None),
    ],
)
def test_the_command_that_migrates(tmp_path: Path, files: dict[str, str], command: str | None) -> None:
    assert migration(tmp_path, files) == command


def test_a_factory_is_named_as_it_is_served(tmp_path: Path) -> None:
    command = migration(tmp_path, {"migrations/env.py": FLASK_MIGRATE}, "shop:create_app()")
    assert command == "env FLASK_APP='shop:create_app()' flask db upgrade"


def test_django_migrates_by_its_own_command(tmp_path: Path) -> None:
    files = {"shop/wsgi.py": WSGI, "shop/settings.py": ""}
    found_in_code = migration(tmp_path / "one", files, "shop.wsgi:application", "Django")
    assert found_in_code == "env DJANGO_SETTINGS_MODULE=shop.settings django-admin migrate --noinput"
    with_script = migration(tmp_path / "two", {**files, "manage.py": MANAGE}, "shop.wsgi:application", "Django")
    assert with_script == "python manage.py migrate --noinput"


def test_migrations_of_a_package_that_runs_them_itself_are_only_noted(tmp_path: Path) -> None:
    files = {
        "app.py": FLASK,
        "shop/sql/__init__.py": "",
        "shop/sql/alembic.ini": "[alembic]\nscript_location = %(here)s/scripts\n",
        "shop/sql/scripts/env.py": ALEMBIC,
    }
    surroundings = found(tmp_path, files)
    assert surroundings.migration is None
    assert "shop/sql/scripts/env.py: there are Alembic migrations" in surroundings.notes[0]


def steps(folder: Path, files: dict[str, str], serve: str = "app:app", kind: str = "Flask") -> list[tuple[str, str]]:
    """The commands of the build and their places."""
    return [
        (each.value, each.place) for each in found(folder, {"app.py": FLASK, **files}, serve, kind=kind).build_steps
    ]


def test_django_collects_static_files_if_it_has_a_folder_for_them(tmp_path: Path) -> None:
    files = {"manage.py": MANAGE, "shop/wsgi.py": WSGI, "shop/settings.py": "STATIC_ROOT = 'static'\n"}
    assert steps(tmp_path, files, "shop.wsgi:application", "Django") == [
        ("python manage.py collectstatic --noinput", "shop/settings.py:1")
    ]


def test_translations_that_are_not_compiled_are(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "Flask-Babel\n",
        "shop/translations/de/LC_MESSAGES/messages.po": "",
        "shop/translations/fr/LC_MESSAGES/messages.po": "",
        "shop/translations/fr/LC_MESSAGES/messages.mo": "",
        "shop/translations/de/LC_MESSAGES/mails.po": "",
    }
    assert [command for command, _ in steps(tmp_path, files)] == [
        "pybabel compile --directory shop/translations --domain mails",
        "pybabel compile --directory shop/translations",
    ]


def test_bundles_of_flask_assets_are_built(tmp_path: Path) -> None:
    code = f"{FLASK}from flask_assets import Environment\nassets = Environment(app)\n"
    assert steps(tmp_path, {"app.py": code}) == [("env FLASK_APP=app:app flask assets build", "app.py:4")]


def test_build_steps_can_be_set(tmp_path: Path) -> None:
    assert steps(tmp_path, {"flask-app.toml": 'build = ["make css"]\n'}) == [("make css", "flask-app.toml")]


PACKAGE = '{"scripts": {"build": "vite build"}}'


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"package.json": PACKAGE, "yarn.lock": ""}, "."),
        ({"frontend/package.json": PACKAGE, "frontend/pnpm-lock.yaml": ""}, "frontend"),
        ({"package.json": '{"scripts": {"test": "jest"}}', "package-lock.json": ""}, None),
        ({"package.json": PACKAGE}, None),
        ({"a/package.json": PACKAGE, "a/yarn.lock": "", "b/package.json": PACKAGE, "b/yarn.lock": ""}, None),
        ({"shop/themes/dark/package.json": PACKAGE, "shop/themes/dark/yarn.lock": ""}, None),
        ({"flask-app.toml": "assets = false\n", "package.json": PACKAGE, "yarn.lock": ""}, None),
    ],
)
def test_the_front_end_is_the_package_with_a_lock_file_and_a_build_script(
    tmp_path: Path, files: dict[str, str], folder: str | None
) -> None:
    assets = found(tmp_path, {"app.py": FLASK, **files}).assets
    assert (assets.value if assets else None) == folder


def test_why_a_front_end_is_not_built_is_noted(tmp_path: Path) -> None:
    [note] = found(tmp_path / "one", {"app.py": FLASK, "package.json": PACKAGE}).notes
    assert note == "package.json: it has a build script, but no lock file such as package-lock.json, so it isn't built."
    two = {"a/package.json": PACKAGE, "a/yarn.lock": "", "b/package.json": PACKAGE, "b/yarn.lock": ""}
    [note] = found(tmp_path / "two", {"app.py": FLASK, **two}).notes
    assert 'Several frontends could be built: a, b. Choose one in flask-app.toml: assets = "a".' in note
