"""Celery's worker and its scheduler, where only the code tells of them.

A worker loads one module, which must have the application of Celery and import the tasks. Where that isn't known for
certain, a note lists what could be meant, and no process is made.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.detection.code.application import Application
from delivery.detection.code.modules import FUNCTIONS, Module, source_of, text_of
from delivery.detection.description import Process, Role
from delivery.detection.repository import Repository
from delivery.detection.surroundings.declared import declares

CELERY = ("celery.Celery()", "celery.app.Celery()", "celery.current_app", "flask_celeryext.FlaskCeleryExt()")
WORKER_MODULES = re.compile(
    r"(?:.*\.)?(?:celery_?worker|celery_?app|make_celery|run_celery|worker|celery|celeryapp|celery_tasks?|tasks)"
)
"""Modules that are there for the worker."""
SCHEDULE = "--schedule /tmp/celerybeat-schedule"
"""Where beat has its state: by default it writes to the working directory, which is read-only in the pod."""
DOCUMENTS = r"(?i)readme(\.\w+)?|makefile|(.*/)?[\w.-]+\.(sh|service|conf|ini|md|rst|yml|yaml|cfg)"
_OPTION = re.compile(r"(?<!\S)(?:-A|--app)[ =]([\w.:]+)")


def celery_workers(repository: Repository, application: Application, notes: list[str]) -> Iterator[Process]:
    """The worker, and the scheduler if there is a schedule."""
    modules = application.naming("elery")
    # Without the dependency, it is support of a queue that an operator may install.
    if not any(_makes(application, module) for module in modules) or not declares(repository, "celery"):
        return
    app, place = _documented(repository, application) or _made(application, modules, notes)
    if not app:
        return
    yield Process("celery", Role.WORKER, f"celery --app {shlex.quote(app)} worker", place)
    if schedule := _beat(modules):
        yield Process("celery-beat", Role.SCHEDULER, f"celery --app {shlex.quote(app)} beat {SCHEDULE}", schedule)


def with_writable_schedule(command: str) -> str:
    """The command of Celery beat, or of a worker with `-B`, with a place for its state where it names none."""
    if re.search(r"\s(?:-s\b|--schedule(?!r)|-S\b|--scheduler)", command):
        return command
    return re.sub(
        r"(\bcelery\b.*?(?<!-A)(?<!--app)\s(?:beat|-B|--beat))(?=\s|$|[;&|])", rf"\1 {SCHEDULE}", command, count=1
    )


def _makes(application: Application, module: Module) -> bool:
    """Whether a module makes an application of Celery."""
    return any(
        _is_extension(node)
        or (isinstance(node, ast.Call | ast.Name | ast.Attribute) and application.meaning(module, node) in CELERY)
        for node in module.nodes
    )


def _is_extension(node: ast.AST) -> bool:
    """`app.extensions["celery"]`, as Flask's own documentation has it."""
    return (
        isinstance(node, ast.Subscript)
        and text_of(node.slice) == "celery"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "extensions"
        and isinstance(node.ctx, ast.Load)
    )


def _documented(repository: Repository, application: Application) -> tuple[str, str] | None:
    """What a document or a script gives to `celery --app`, if it is a module of the repository."""
    for file in sorted(
        repository.matching(DOCUMENTS, beside=False), key=lambda each: each.path.suffix in (".md", ".rst")
    ):
        for number, line in file.lines():
            if name := named_application(line):
                owner = name.partition(":")[0]
                if owner in application.index or owner.rpartition(".")[0] in application.index:
                    return name, f"{file.path}:{number}"
    return None


def named_application(line: str) -> str:
    """What a line gives to `celery --app NAME worker` or `celery worker --app NAME`; empty if it starts no worker.

    In time that grows as the line does: the command is looked for once, and not from each word on.
    """
    options = list(_OPTION.finditer(line))
    last = max((each.start() for each in re.finditer(r"(?<!\S)worker", line)), default=-1)
    for option in options if last >= 0 else ():
        before = line[max(0, option.start() - 100) : option.start()].rstrip()
        if before.endswith("celery") and option.end() < last and line[option.end()].isspace():
            return option[1]
    command = re.search(r"celery\s++worker\s", line)
    late = command and next((each for each in options if each.start() >= command.end() - 1), None)
    return late[1] if late else ""


@dataclass(frozen=True)
class _Candidate:
    """A name that is an application of Celery once its module is imported."""

    module: Module
    name: str
    place: str
    is_made: bool
    """Not imported from another module."""

    @property
    def is_telling(self) -> bool:
        """The module is there for the worker, by its name."""
        return bool(WORKER_MODULES.fullmatch(self.module.name))


def _made(application: Application, modules: list[Module], notes: list[str]) -> tuple[str, str]:
    """The module and name of the application of Celery; empty, and a note, if it isn't known for certain."""
    found = [each for module in modules for each in _at_import(application, module)]
    having_tasks = [each for each in found if _has_tasks(application, each.module)] or (
        [] if any(_defines_tasks(module) for module in application.naming("task")) else found
    )
    for chosen in (
        [each for each in having_tasks if each.is_made and each.is_telling],
        # A module for the worker alone: it imports the object, and sets up Flask's application.
        [each for each in having_tasks if each.is_telling and not re.search(r"tasks?$", each.module.name)],
        [each for each in having_tasks if each.is_made],
    ):
        if len(chosen) == 1:
            return f"{chosen[0].module.name}:{chosen[0].name}", chosen[0].place
    names = ", ".join(f"{each.module.name}:{each.name} ({each.place})" for each in found if each.is_made)
    notes.append(
        f"Celery is used, but the module with its application and tasks isn't known"
        f"{'. Applications are ' + names if names else ''}. "
        'Set it in flask-app.toml: workers.celery = "celery --app MODULE:NAME worker".'
    )
    return "", ""


def _at_import(application: Application, module: Module) -> Iterator[_Candidate]:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if _is_extension(node.value) or _gives_celery(application, module, node.value):
                yield _Candidate(module, node.targets[0].id, module.place(node), is_made=True)
        elif isinstance(node, ast.ImportFrom) and module.base_of(node) in application.index:
            for each in node.names:
                name = each.asname or each.name
                if application.meaning(module, ast.Name(name)) in CELERY:
                    yield _Candidate(module, name, module.place(node), is_made=False)


def _has_tasks(application: Application, module: Module) -> bool:
    """Whether a worker that loads the module gets to know tasks."""
    return any(_defines_tasks(each) for each in application.reached(module.name))


def _defines_tasks(module: Module) -> bool:
    """Whether a module defines tasks, or names the modules that do, as `include` and autodiscover_tasks() do."""
    for node in module.nodes:
        if isinstance(node, FUNCTIONS):
            names = [source_of(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
            if any(re.fullmatch(r"(?:.*\.)?(?:task|shared_task|periodic_task)", each) for each in names):
                return True
        elif (isinstance(node, ast.keyword) and node.arg in ("include", "imports")) or (
            isinstance(node, ast.Attribute) and node.attr == "autodiscover_tasks"
        ):
            return True
    return False


def _gives_celery(application: Application, module: Module, value: ast.expr, depth: int = 4) -> bool:
    """Whether an expression makes an application of Celery, itself or by a function of the repository."""
    if application.meaning(module, value) in CELERY:
        return True
    if isinstance(value, ast.Attribute) and value.attr in ("celery", "celery_app"):
        return True
    if not isinstance(value, ast.Call) or not depth:
        return False
    name = module.dotted(value.func)
    owner, _, last = name.rpartition(".")
    where = application.module(owner) if owner in application.index else module if not owner else None
    functions = [each for each in where.tree.body if isinstance(each, FUNCTIONS) and each.name == last] if where else []
    for function in functions:
        returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
        assert where
        if any(
            _gives_celery(application, where, each, depth - 1)
            or (isinstance(each, ast.Name) and application.meaning(where, each) in CELERY)
            for each in returned
        ):
            return True
    return False


def _beat(modules: list[Module]) -> str:
    """Where a schedule of Celery is set; empty if none is."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and node.attr in ("beat_schedule", "add_periodic_task"):
                return module.place(node)
            if isinstance(node, ast.Name) and node.id in (
                "CELERYBEAT_SCHEDULE",
                "CELERY_BEAT_SCHEDULE",
                "beat_schedule",
            ):
                return module.place(node)
            if isinstance(node, ast.keyword) and node.arg in ("beat_schedule", "CELERYBEAT_SCHEDULE"):
                return module.place(node.value)
            if isinstance(node, ast.Constant) and node.value in (
                "beat_schedule",
                "CELERYBEAT_SCHEDULE",
                "CELERY_BEAT_SCHEDULE",
            ):
                return module.place(node)
    return ""
