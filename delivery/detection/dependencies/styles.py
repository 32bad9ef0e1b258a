"""Which files of a repository declare its dependencies, in the order of their authority."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import imported, lock_files, projects, setup_files
from delivery.detection.description import Found, Problem, Style, Undecided
from delivery.detection.repository import Repository

REQUIREMENTS = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements-production.txt",
    "requirements-prod.txt",
    "requirements.prod.txt",
    "prod-requirements.txt",
    "requirements/requirements.txt",
    "requirements/main.txt",
    "requirements/base.txt",
    "requirements/common.txt",
    "requirements.in",
    "requirements/production.in",
    "requirements/prod.in",
    "requirements/base.in",
    "reqs.txt",
)
"""In the order of their authority."""
LOCKED = "requirements.lock"
"""What `make lock` keeps in the repository."""


@dataclass(frozen=True)
class Chosen:
    """The files, and how they are to be read."""

    style: Style
    files: tuple[str, ...]
    place: str
    notes: tuple[str, ...] = ()


def choose(repository: Repository, configuration: Configuration) -> Chosen:
    """The files that count. Raises Undecided where there are none, though packages are imported."""
    if configuration.requirements is not None:
        return _configured(repository, configuration)
    locks = [name for name in lock_files.FILES if name in repository.files]
    locks = [name for name in locks if name != "uv.lock" or "pyproject.toml" in repository.files]
    if locks:
        return Chosen(lock_files.FILES[locks[0]], (locks[0],), locks[0], _ignored(locks[0], locks[1:]))
    requirements = _requirements(repository)
    project = _project(repository)
    if requirements:
        # A package may declare what its requirements file leaves out.
        return Chosen(Style.REQUIREMENTS, (*requirements, *(project.files if project else ())), requirements[0])
    if project:
        return project
    if "Pipfile" in repository.files:
        raise Undecided(
            Problem(
                "There is a Pipfile, but no Pipfile.lock",
                "Run `pipenv lock` and commit Pipfile.lock",
            )
        )
    return _elsewhere(repository)


def _ignored(used: str, others: list[str]) -> tuple[str, ...]:
    """A note on lock files beside the one that is used."""
    if not others:
        return ()
    are, them = ("are", "the ones") if len(others) > 1 else ("is", "what")
    return (f"{used} is used; {' and '.join(others)} {are} ignored. Remove {them} you don't use.",)


def _configured(repository: Repository, configuration: Configuration) -> Chosen:
    names = configuration.requirements or ()
    missing = [name for name in names if not (repository.folder / name).is_file()]
    if missing:
        raise Undecided(
            Problem(
                f"{configuration.place}: the requirements file {', '.join(missing)} doesn't exist",
                "Correct the path, relative to the repository",
                line='requirements = ["requirements.txt"]',
            )
        )
    if not names:
        return Chosen(Style.NONE, (), configuration.place)
    kinds = {PurePosixPath(name).name: name for name in names}
    for kind, style in lock_files.FILES.items():
        if kind in kinds:
            return Chosen(style, names, configuration.place)
    if set(names) <= {"pyproject.toml", "setup.py", "setup.cfg"}:
        style = Style.PYPROJECT if "pyproject.toml" in names else Style.SETUP
        return Chosen(style, names, configuration.place)
    return Chosen(Style.REQUIREMENTS, names, configuration.place)


def _requirements(repository: Repository) -> tuple[str, ...]:
    for name in (LOCKED, *REQUIREMENTS):
        if name in repository.files:
            return (name,)
    return ()


def _project(repository: Repository) -> Chosen | None:
    """pyproject.toml where it has a project; setup.py and setup.cfg."""
    if projects.declares(repository):
        return Chosen(Style.PYPROJECT, ("pyproject.toml",), "pyproject.toml")
    written = tuple(name for name in ("setup.py", "setup.cfg") if name in repository.files)
    if setup_files.Setup(repository).call is not None or setup_files.cfg(repository).has_section("options"):
        return Chosen(Style.SETUP, written, written[0])
    return None


def _elsewhere(repository: Repository) -> Chosen:
    """Nothing is in the repository's own folder."""
    for environment in repository.named("environment.yml", "environment.yaml"):
        name = str(environment.path)
        raise Undecided(
            Problem(
                f"{name} is for conda, whose packages pip can't install",
                "Write requirements.txt with the packages that the application imports:"
                f" {_listing(imported.third_party(repository)) or 'flask'}",
                line='requirements = ["requirements.txt"]',
            )
        )
    names = "|".join([LOCKED, *lock_files.FILES, "requirements.txt", "pyproject.toml"]).replace(".", r"\.")
    inner = repository.matching(rf"(.+/)({names})")
    folders = sorted({str(each.path.parent) for each in inner})
    if len(folders) == 1:
        name = str(inner[0].path)
        style = lock_files.FILES.get(inner[0].path.name, Style.REQUIREMENTS)
        if style is Style.REQUIREMENTS and name.endswith((".txt", ".lock")):
            return Chosen(style, (name,), name)
    if inner:
        raise Undecided(
            Problem(
                f"Only subfolders of the repository declare dependencies: {', '.join(folders)}",
                "Name the folder of the application as APP, or the file in flask-app.toml",
                tuple(Found(str(each.path), str(each.path)) for each in inner),
                f'requirements = ["{inner[0].path}"]',
            )
        )
    imports = imported.third_party(repository)
    if imports:
        place = next(iter(imports.values()))
        raise Undecided(
            Problem(
                f"No file declares the dependencies; the application imports {', '.join(imports)} (first in {place})",
                f"Write requirements.txt with a line for each: {_listing(imports)}",
                line='requirements = ["requirements.txt"]',
            )
        )
    return Chosen(Style.NONE, (), "default")


def _listing(names: dict[str, str]) -> str:
    return ", ".join(sorted(names, key=str.lower))
