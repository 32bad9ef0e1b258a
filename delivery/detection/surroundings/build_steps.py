"""What runs while the image is built: static files, translations, and the frontend of a package.json."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.code.modules import FUNCTIONS
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found
from delivery.detection.reading import from_json
from delivery.detection.repository import Repository
from delivery.detection.surroundings.migrations import django_settings, with_flask_app

DEEPEST = 2
"""Folders above a package.json that is the application's frontend."""
LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")


def find_build_steps(
    repository: Repository, configuration: Configuration, application: Application, configured: Configured
) -> tuple[Found[str], ...]:
    """The commands, in their order."""
    if configuration.build is not None:
        return tuple(Found(each, configuration.place) for each in configuration.build)
    return (*_collected(repository, application, configured), *_translated(repository), *_bundled(application))


def _collected(repository: Repository, application: Application, configured: Configured) -> Iterator[Found[str]]:
    value = configured.value("STATIC_ROOT")
    if application.served.kind == "Django" and value:
        for file in repository.matching(r"(?:[^/]+/)?manage\.py"):
            yield Found(f"python {shlex.quote(str(file.path))} collectstatic --noinput", value[0].place(value[1]))
            return
        if found := django_settings(application):
            command = f"env DJANGO_SETTINGS_MODULE={found.value} django-admin collectstatic --noinput"
            yield Found(command, value[0].place(value[1]))


def _translated(repository: Repository) -> Iterator[Found[str]]:
    """Catalogs of Babel that are not compiled. Only they have a template .pot or a babel.cfg beside them."""
    folders: dict[tuple[str, str], str] = {}
    for file in repository.matching(r".*/LC_MESSAGES/[^/]+\.po"):
        compiled = str(file.path.with_suffix(".mo"))
        if compiled not in repository.files:
            folders.setdefault((str(file.path.parents[2]), file.path.stem), str(file.path))
    if not folders or not _uses_babel(repository):
        return
    for (folder, domain), place in folders.items():
        option = "" if domain == "messages" else f" --domain {shlex.quote(domain)}"
        yield Found(f"pybabel compile --directory {shlex.quote(folder)}{option}", place)


def _uses_babel(repository: Repository) -> bool:
    files = repository.matching(
        r"babel\.(?:cfg|ini)|(?:.*/)?requirements[^/]*\.txt|requirements/.*\.txt|pyproject\.toml|setup\.(?:py|cfg)|Pipfile"
    )
    return any(
        re.search(r"(?i)babel", str(each.path)) or re.search(r"(?i)\bflask[-_]babel|\bbabel\b", each.text())
        for each in files
    )


def _bundled(application: Application) -> Iterator[Found[str]]:
    for module, call in application.calls("flask_assets.Environment"):
        scope = any(isinstance(each, FUNCTIONS) and "test" in each.name for each in module.above(call))
        if not scope:
            yield Found(with_flask_app(application.served, "flask assets build"), module.place(call))
            return


def find_assets(repository: Repository, configuration: Configuration, notes: list[str]) -> Found[str] | None:
    """The folder of the frontend; None if there is none, or several could be meant."""
    if configuration.assets is not None:
        return Found(configuration.assets, configuration.place) if isinstance(configuration.assets, str) else None
    candidates: list[Found[str]] = []
    for file in repository.matching(r"(?:.*/)?package\.json"):
        folder = file.path.parent
        # Those further down belong to themes and the like, whose results are in the repository.
        if len(folder.parts) > DEEPEST or not _has_build(repository, str(file.path)):
            continue
        if any(str(folder / lock) in repository.files for lock in LOCKS):
            candidates.append(Found(str(folder), str(file.path)))
        else:
            notes.append(
                f"{file.path}: it has a build script, but no lock file such as package-lock.json, so it isn't built."
            )
    shallowest = [
        each
        for each in candidates
        if each.value.count("/") == candidates[0].value.count("/")
        and (each.value == ".") == (candidates[0].value == ".")
    ]
    if len(shallowest) > 1:
        names = ", ".join(each.value for each in shallowest)
        notes.append(
            f"Several frontends could be built: {names}. Choose one in flask-app.toml: "
            f'assets = "{shallowest[0].value}".'
        )
        return None
    return shallowest[0] if shallowest else None


def _has_build(repository: Repository, path: str) -> bool:
    try:
        content = from_json(repository.files[path].text())
    except ValueError as error:
        repository.unreadable[path] = str(error)
        return False
    scripts = content.get("scripts") if isinstance(content, dict) else None
    return isinstance(scripts, dict) and isinstance(scripts.get("build"), str)
