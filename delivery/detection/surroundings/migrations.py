"""The command that brings the database to a new version's schema, before that version starts."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.modules import argument, text_of
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found, Served
from delivery.detection.repository import File, Repository
from delivery.detection.surroundings.processes.procfile import procfile


def find_migration(
    repository: Repository, configuration: Configuration, application: Application, notes: list[str]
) -> Found[str] | None:
    """The command; None if there is none, or none is known for certain."""
    if configuration.migrate is not None:
        return Found(configuration.migrate, configuration.place) if isinstance(configuration.migrate, str) else None
    if "release" in (declared := procfile(repository)):
        command, place = declared["release"]
        return Found(command, place)
    for find in (_flask_migrate, _alembic, _django):
        if found := find(repository, application, notes):
            return found
    return None


def with_flask_app(served: Served, command: str) -> str:
    """A command of Flask that finds the application which is served."""
    # Not --app, which Flask before 2.2 doesn't have.
    return f"env FLASK_APP={shlex.quote(served.reference)} {command}"


def _folders(repository: Repository) -> Iterator[tuple[File, str]]:
    """The folders of Alembic's scripts, the ones near the top first: env.py, and what it says."""
    for file in repository.matching(r"(?:.*/)?env\.py", beside=True):
        text = file.text()
        if "alembic" in text and not re.search(r"(^|/)(tests?|examples?|docs?)/", str(file.path)):
            yield file, text


def _flask_migrate(repository: Repository, application: Application, _: list[str]) -> Found[str] | None:
    for file, text in _folders(repository):
        if "current_app" not in text:
            continue
        folder = str(file.path.parent)
        legacy = [each for each in repository.named("manage.py") if "MigrateCommand" in each.text()]
        if legacy:
            return Found("python manage.py db upgrade", str(file.path))
        # An application that names another folder to Flask-Migrate needs no option, but bears it.
        option = "" if folder == "migrations" else f" --directory {shlex.quote(folder)}"
        return Found(with_flask_app(application.served, f"flask db upgrade{option}"), str(file.path))
    return None


def _alembic(repository: Repository, application: Application, notes: list[str]) -> Found[str] | None:
    for file in repository.matching(r"(?:.*/)?alembic\.ini"):
        location = _location(file)
        here = file.path.parent
        if location is None or not _exists(repository, application, location.replace("%(here)s", str(here))):
            continue
        if f"{here}/__init__.py" in repository.files:
            # A package that has one runs its migrations by itself, or by a command of its own.
            break
        option = "" if str(file.path) == "alembic.ini" else f" --config {shlex.quote(str(file.path))}"
        return Found(f"alembic{option} upgrade head", str(file.path))
    for file, _ in _folders(repository):
        notes.append(
            f"{file.path}: there are Alembic migrations, but no alembic.ini for the `alembic` command. Set the "
            'command in flask-app.toml: migrate = "...".'
        )
        break
    return None


def _location(file: File) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.text())
        return parser.get("alembic", "script_location")
    except configparser.Error:
        return None


def _exists(repository: Repository, application: Application, location: str) -> bool:
    """Whether Alembic finds its scripts from the repository's folder: by a path, or by `package:folder`."""
    if ":" in location:
        package, _, rest = location.partition(":")
        module = application.index.get(package)
        return module is not None and f"{module.path.parent}/{rest}/env.py" in repository.files
    return f"{location.strip('/').removeprefix('./')}/env.py" in repository.files


def _django(repository: Repository, application: Application, _: list[str]) -> Found[str] | None:
    if application.served.kind != "Django":
        return None
    for file in repository.matching(r"(?:[^/]+/)?manage\.py"):
        if "django" in file.text():
            return Found(f"python {shlex.quote(str(file.path))} migrate --noinput", str(file.path))
    if found := django_settings(application):
        return Found(f"env DJANGO_SETTINGS_MODULE={found.value} django-admin migrate --noinput", found.place)
    return None


def django_settings(application: Application) -> Found[str] | None:
    """The settings module that the application names as its default, if the repository has it."""
    for module in application.modules:
        for call in module.calls:
            if (
                module.dotted(call.func) == "os.environ.setdefault"
                and text_of(argument(call, 0)) == "DJANGO_SETTINGS_MODULE"
            ):
                name = text_of(argument(call, 1)) or ""
                if name in application.index:
                    return Found(name, module.place(call))
    return None
