"""The keys of flask-app.toml: what each may hold, and an example of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from delivery.detection.cron import problem_of
from delivery.detection.programs import decides_programs
from delivery.detection.repository import Repository

SERVICES = ("postgresql", "mysql", "redis")
"""What can be set up for development."""
TAKEN = ("data", "files", "flask-app", "migrations", "peers", "secrets", "test")
"""Names that the chart uses for something else."""

REMEDY_OF_RESERVED = "delete it: nodrop and the image set it, and what your code reads can have another name"

Reader = Callable[[Any, Repository], Any]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value."""

    cause: str
    remedy: str
    inner: str = ""
    """The key within the value, where it is a table."""


class Wrong(Exception):
    """A value that can't be used. found: everything wrong with it, given as faults or as (cause, remedy)."""

    def __init__(self, *found: tuple[str, str] | Fault) -> None:
        self.found = tuple(each if isinstance(each, Fault) else Fault(*each) for each in found)
        super().__init__("; ".join(each.cause for each in self.found))


@dataclass(frozen=True)
class Key:
    """A key. docs/flask-app-toml.md is written from these."""

    read: Reader
    """From TOML's value to the configuration's; raises Wrong."""
    example: str
    """A line that is right."""
    meaning: str
    """In a sentence or two, for the reference."""


@dataclass(frozen=True)
class Form:
    """What a text must look like, as a regular expression and in words."""

    expression: str
    words: str

    def check(self, key: str, text: str) -> None:
        """Raise Wrong if the text has another form."""
        if not re.fullmatch(self.expression, text):
            raise Wrong((f"{key} is {text!r}, but must be {self.words}", "correct it"))


LABEL = Form(
    r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
    "at most 40 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
)
REFERENCE = Form(r"[\w.]+(:[\w.]+(\(.*\))?)?", "module:name or module:factory()")
PYTHON = Form(r"3\.\d+(\.\d+)?", "a version of Python 3")
PATH = Form(r"/[^\s?#]*", "a path that begins with /")
PACKAGE = Form(r"[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?", "the name of a Debian package")
VARIABLE = Form(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")
WORD = Form(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", "a name")
ANY = Form(r"(?s).*\S.*", "a string that isn't empty")
EMPTY = Form(r"(?s).*", "a string")


def _kind(value: object) -> str:
    names = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def _require(key: str, value: object, kind: type, words: str) -> None:
    if not isinstance(value, kind):
        # 3.10 in TOML is the number 3.1, so it can't be repeated in quotes.
        remedy = "put it in quotes" if kind is str and isinstance(value, int | float) else f"write {words}"
        raise Wrong((f"{key} is {_kind(value)} instead of {words}", remedy))


def text(key: str, form: Form = ANY) -> Reader:
    """Reads one text."""

    def read(value: Any, _: Repository) -> str:
        _require(key, value, str, "a string")
        form.check(key, value)
        return str(value)

    return read


def text_or_none(key: str, form: Form = ANY) -> Reader:
    """Reads one text, or false, which means none."""

    def read(value: Any, repository: Repository) -> str | bool:
        if value is False:
            return False
        if value is True:
            raise Wrong((f"{key} is true", "write a string, or false for none"))
        return str(text(key, form)(value, repository))

    return read


def texts(key: str, form: Form = ANY) -> Reader:
    """Reads a list of texts."""

    def read(value: Any, repository: Repository) -> tuple[str, ...]:
        _require(key, value, list, "a list")
        found = _each(value, lambda each: text(f"{key}: an entry", form)(each, repository))
        return tuple(found)

    return read


def _each(values: list[Any], read: Callable[[Any], Any]) -> list[Any]:
    """All of them read. Raises Wrong with all that is wrong."""
    found: list[Any] = []
    wrong: list[Fault] = []
    for value in values:
        try:
            found.append(read(value))
        except Wrong as error:
            wrong += error.found
    if wrong:
        raise Wrong(*wrong)
    return found


def _table(key: str, value: Any, read: Callable[[str, Any], Any]) -> dict[str, Any]:
    """All entries of a table read by name and value. Raises Wrong with all that is wrong, and where."""
    _require(key, value, dict, "a table")

    def entry(each: tuple[str, Any]) -> tuple[str, Any]:
        try:
            return each[0], read(*each)
        except Wrong as error:
            raise Wrong(*(replace(fault, inner=each[0]) for fault in error.found)) from error

    return dict(_each(list(value.items()), entry))


def _inside(key: str, path: str, repository: Repository, *, folder: bool) -> str:
    """A path of the repository, as it is written in a Description."""
    full = (repository.folder / path).resolve()
    if not full.is_relative_to(repository.folder.resolve()):
        raise Wrong((f"{key} {path} is outside the repository", "use a path in it"))
    if not (full.is_dir() if folder else full.is_file()):
        what, there = ("folder", _folders(repository)) if folder else ("file", list(repository.files))
        near = difflib.get_close_matches(path, there, n=1, cutoff=0.4)
        raise Wrong((f"{key}: the {what} {path} doesn't exist", f"write {near[0]}" if near else "correct it"))
    return full.relative_to(repository.folder.resolve()).as_posix()


def _folders(repository: Repository) -> list[str]:
    return sorted({str(parent) for each in repository.files.values() for parent in each.path.parents})


def _root(value: Any, repository: Repository) -> str:
    return _inside("root", text("root")(value, repository), repository, folder=True)


def _assets(value: Any, repository: Repository) -> str | bool:
    path = text_or_none("assets")(value, repository)
    return path if isinstance(path, bool) else _inside("assets", path, repository, folder=True)


def _requirements(value: Any, repository: Repository) -> tuple[str, ...]:
    paths = texts("requirements")(value, repository)
    return tuple(_each(list(paths), lambda each: _inside("requirements", each, repository, folder=False)))


def _services(value: Any, repository: Repository) -> tuple[str, ...]:
    def known(each: str) -> str:
        if each in SERVICES:
            return each
        near = difflib.get_close_matches(each.lower(), ["postgres", "mariadb", *SERVICES], n=1)
        meant = {"postgres": "postgresql", "mariadb": "mysql"}.get(near[0], near[0]) if near else ""
        remedy = f"write {meant!r}" if meant else f"use one of {', '.join(SERVICES)}, and run others yourself"
        raise Wrong((f"services: {each!r} isn't supported", remedy))

    return tuple(_each(list(texts("services")(value, repository)), known))


def _environment(value: Any, repository: Repository) -> dict[str, str]:
    def variable(name: str, given: Any) -> str:
        VARIABLE.check("environment: a key", name)
        if decides_programs(name):
            raise Wrong((f"environment: {name} decides how programs are started", REMEDY_OF_RESERVED))
        return str(text(f"environment.{name}", EMPTY)(given, repository))

    return _table("environment", value, variable)


def _name(group: str, name: str) -> None:
    LABEL.check(f"{group}: a name", name)
    if name in TAKEN:
        raise Wrong((f"{group}: the chart reserves the name {name}", "rename it"))


def _workers(value: Any, repository: Repository) -> dict[str, str]:
    def worker(name: str, command: Any) -> str:
        _name("workers", name)
        return str(text(f"workers.{name}")(command, repository))

    return _table("workers", value, worker)


def _jobs(value: Any, repository: Repository) -> dict[str, dict[str, str]]:
    def job(name: str, given: Any) -> dict[str, str]:
        _name("jobs", name)
        _require(f"jobs.{name}", given, dict, "a table with schedule and command")
        keys = ("schedule", "command")
        wrong = [(f"jobs.{name} has no {key}", f"add {key}") for key in keys if key not in given]
        wrong += [(f"jobs.{name}: unknown key {key!r}", "delete it") for key in given if key not in keys]
        if wrong:
            raise Wrong(*wrong)
        schedule, command = _each(list(keys), lambda key: text(f"jobs.{name}.{key}")(given[key], repository))
        if cause := problem_of(schedule):
            raise Wrong((f"jobs.{name}: {schedule!r} isn't a valid cron schedule: {cause}", "correct it"))
        return {"schedule": schedule, "command": command}

    return _table("jobs", value, job)


KEYS = {
    "name": Key(
        text("name", LABEL),
        'name = "shop"',
        "The name of the image and the release. Default: the folder's name.",
    ),
    "serve": Key(
        text("serve", REFERENCE),
        'serve = "shop:create_app()"',
        "What is served: `module:name`, or `module:factory()` with arguments that are literals.",
    ),
    "root": Key(
        _root,
        'root = "src"',
        "The folder that must be first on Python's path, where it isn't the repository.",
    ),
    "python": Key(
        text("python", PYTHON),
        'python = "3.13"',
        "The image's Python, 3.11 or later. Default: what the repository asks for, else the pinned image's.",
    ),
    "requirements": Key(
        _requirements,
        'requirements = ["requirements.txt"]',
        "Requirements files or a lock file, in place of what is found.",
    ),
    "extras": Key(
        texts("extras", WORD),
        'extras = ["postgres"]',
        "Extras of the application's own package to install.",
    ),
    "groups": Key(
        texts("groups", WORD),
        'groups = ["production"]',
        "Dependency groups to install.",
    ),
    "apt": Key(
        texts("apt", PACKAGE),
        'apt = ["libpq5"]',
        "Debian packages that the image needs. Libraries that compiled wheels load are found without it.",
    ),
    "apt-build": Key(
        texts("apt-build", PACKAGE),
        'apt-build = ["libpq-dev"]',
        "Debian packages that only building wheels needs. They don't reach the image.",
    ),
    "build": Key(
        texts("build"),
        'build = ["python manage.py collectstatic --noinput"]',
        "Commands that run in the image once the application is there.",
    ),
    "assets": Key(
        _assets,
        'assets = "frontend"',
        "The folder of the `package.json` to build with npm; `false` for none.",
    ),
    "migrate": Key(
        text_or_none("migrate"),
        'migrate = "flask db upgrade"',
        "The command that runs before a new version starts; `false` for none.",
    ),
    "health": Key(
        text_or_none("health", PATH),
        'health = "/healthz"',
        "The path of a route that answers 200 when the application works; `false` for none.",
    ),
    "writable": Key(
        texts("writable"),
        'writable = ["instance"]',
        "Folders that the application writes to and whose content is kept: they are on a claim that all pods share, so "
        "that there is one replica. A folder whose name says cache, tmp or log is as in `scratch`.",
    ),
    "scratch": Key(
        texts("scratch"),
        'scratch = ["static/thumbnails"]',
        "Folders that the application writes to and whose content may be lost: each pod has its own, which ends with "
        "it. Takes precedence over what is detected.",
    ),
    "services": Key(
        _services,
        'services = ["postgresql"]',
        "What `make up` starts for development: `postgresql`, `redis`.",
    ),
    "environment": Key(
        _environment,
        'environment = { CURRENCY = "EUR" }',
        "Settings that aren't secret, for each environment.",
    ),
    "secrets": Key(
        texts("secrets", VARIABLE),
        'secrets = ["API_TOKEN"]',
        "Settings that must come from the env file or a Secret.",
    ),
    "workers": Key(
        _workers,
        'workers = { mail = "celery --app shop.tasks worker" }',
        "Commands that run beside the server, by name.",
    ),
    "jobs": Key(
        _jobs,
        'jobs.report = { schedule = "0 3 * * *", command = "flask report" }',
        "Commands that run on a schedule, in cron's syntax.",
    ),
}
