"""The workers of task queues that only the code tells of."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.modules import FUNCTIONS, Module, argument, is_main_guard, source_of, text_of
from delivery.detection.description import Process, Role
from delivery.detection.repository import Repository
from delivery.detection.surroundings.processes.celery import celery_workers

HUEY = ("RedisHuey", "PriorityRedisHuey", "RedisExpireHuey", "SqliteHuey", "FileHuey", "Huey", "MiniHuey")


def in_code(repository: Repository, application: Application, notes: list[str]) -> Iterator[Process]:
    """The workers that the code asks for."""
    yield from celery_workers(repository, application, notes)
    yield from _rq(application, notes)
    yield from _dramatiq(application)
    yield from _huey(application)


def _rq(application: Application, notes: list[str]) -> Iterator[Process]:
    modules = application.naming("rq")
    used = [
        each
        for each in modules
        if any(name.split(".")[0] in ("rq", "flask_rq2", "flask_rq", "django_rq") for name in each.imports.values())
    ]
    for module in used:
        if (worker := _worker_of(module)) and (script := _as_script(module)):
            yield Process("rq", Role.WORKER, script, module.place(worker))
            return
    for module in used:
        if any(name.startswith("flask_rq2") for name in module.imports.values()):
            yield Process("rq", Role.WORKER, "flask rq worker", module.place(module.tree))
            return
    queues = [
        (module, call)
        for module in used
        for call in module.calls
        if application.meaning(module, call.func) in ("rq.Queue", "rq.queue.Queue")
    ]
    if not queues:
        return
    names = list(dict.fromkeys(text_of(argument(call, 0, "name")) or "default" for _, call in queues))
    variable = next((name for _, name in _redis_variables(application)), "")
    place = queues[0][0].place(queues[0][1])
    if variable:
        yield Process("rq", Role.WORKER, f'rq worker --url "${variable}" {shlex.join(names)}', place)
    else:
        notes.append(
            f"{place}: RQ is used, but the address of its Redis isn't known. Set its worker in flask-app.toml: "
            f'workers.rq = "rq worker --url redis://HOST {" ".join(names)}".'
        )


def _redis_variables(application: Application) -> Iterator[tuple[Module, str]]:
    for module in application.modules:
        for node in module.nodes:
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"\w*REDIS\w*_(?:URL|URI)", node.value)
            ):
                yield module, node.value


def _worker_of(module: Module) -> ast.AST | None:
    """Where the file, started itself, works on a queue: `Worker(queues).work()`."""
    nodes = list(ast.walk(module.tree))
    if not any(isinstance(node, ast.Attribute) and node.attr == "work" for node in nodes):
        return None
    return next(
        (node for node in nodes if isinstance(node, ast.Call) and source_of(node.func).endswith("Worker")), None
    )


def _as_script(module: Module) -> str:
    """The command that starts a module; empty if it does nothing when started."""
    if not any(isinstance(each, ast.If) and is_main_guard(each) for each in module.tree.body):
        return ""
    return f"python -m {module.name}" if "." in module.name else f"python {shlex.quote(str(module.file.path))}"


def _dramatiq(application: Application) -> Iterator[Process]:
    actors = [
        module
        for module in application.naming("dramatiq")
        if any(
            isinstance(node, FUNCTIONS) and any("actor" in source_of(each) for each in node.decorator_list)
            for node in module.nodes
        )
    ]
    if actors:
        yield Process(
            "dramatiq",
            Role.WORKER,
            f"dramatiq {' '.join(sorted(each.name for each in actors))}",
            actors[0].place(actors[0].tree),
        )


def _huey(application: Application) -> Iterator[Process]:
    modules = application.naming("huey")
    periodic = any(
        isinstance(node, ast.Attribute) and node.attr == "periodic_task" for module in modules for node in module.nodes
    )
    for module in modules:
        for node in module.tree.body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, ast.Call)
            ):
                made = module.dotted(node.value.func)
                if made.startswith("huey.") and made.rpartition(".")[2] in HUEY:
                    # Each consumer runs the periodic tasks.
                    role = Role.SCHEDULER if periodic else Role.WORKER
                    yield Process(
                        "huey", role, f"huey_consumer.py {module.name}.{node.targets[0].id}", module.place(node)
                    )
                    return
