"""Which of the candidates is meant.

One is certain if nothing else could be meant, or if what production starts names it. Where two are left, nobody
guesses: the candidates are listed.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from delivery.detection.callables.candidates import ENTRY_MODULES, NAMES, Candidate
from delivery.detection.callables.code.kinds import PACKAGES, Kind
from delivery.detection.callables.production.declared import Declared
from delivery.detection.repository import BESIDE
from nodrop.config.references import reference

OTHER_JOBS = {
    "cli", "command", "commands", "manage", "management", "script", "scripts", "shell", "createdb", "create_db",
    "initdb", "init_db", "seed", "env", "dev", "devserver", "debug", "fabfile", "noxfile", "locustfile", "db_migrate",
    "migrate", "profile",
}  # fmt: skip
"""Names of modules and packages that make an application for something else than serving it."""
QUEUES = {"celery", "celery_app", "celery_worker", "worker", "workers", "task", "tasks"}
"""Names of modules that make one for work beside the server."""
_USUAL = re.compile(r"(create|make|build|get|init)_(\w+_)?app(lication)?")
"""Names of factories."""
FOUND_BY_FLASK = ("wsgi", "app")
"""Modules in which Flask looks for an application where none is named."""
FOR_A_QUEUE = -30
"""Above the weight of an object in a module of QUEUES."""
FOR_ANOTHER_JOB = -10
"""Above the weight of an object in a module of OTHER_JOBS."""
DEPTH = 3
"""Packages that a module may lie deeper in than another without being the less likely one for that."""
NAMED = 40
"""The weight of what a file names that starts it. What production starts so works without what it seems to lack."""


def weigh(candidate: Candidate, named: list[Declared], requires: set[str]) -> None:
    """Set how much speaks for a candidate, and why."""
    if declared := next((each for each in named if _matches(each, candidate)), None):
        _by_declaration(candidate, declared)
    name, parts = candidate.name, candidate.module_name.split(".")
    if parts[-1] in ENTRY_MODULES and name in NAMES:
        _add(candidate, 40, f"servers usually import a module named {parts[-1]}")
    elif "wsgi" in parts and name in NAMES:
        _add(candidate, 20, "servers usually import a package named wsgi")
    if candidate.module_name in FOUND_BY_FLASK and (name in NAMES or candidate.function):
        _add(candidate, 10, f"flask run finds it in {candidate.module_name}")
    if set(parts) & OTHER_JOBS:
        candidate.weight -= 20
    if set(parts) & QUEUES:
        candidate.weight -= 40
    if name in NAMES:
        _add(candidate, 8, f"a server looks for the name {name}")
    elif candidate.function:
        _add(candidate, 4 if _USUAL.fullmatch(name) else 2, f"{name} is a factory")
    if name.startswith("_"):
        candidate.weight -= 10
    if candidate.by_name_alone:
        candidate.weight -= 2
    candidate.weight -= len(parts) - 1
    if candidate.module.file.beside:
        candidate.weight -= 60
    candidate.is_required = not requires or _is_required(candidate.made.kind, requires)
    if not candidate.is_required:
        candidate.weight -= 50


def choose(found: list[Candidate]) -> tuple[Candidate | None, list[Candidate]]:
    """The one that is meant, or None; and those that could be meant, the likeliest first."""
    own = [each for each in found if is_part(each)] or found
    pool = sorted((each for each in own if _is_usable(each)), key=order)
    if not pool or any(_is_likelier(each, pool[0]) for each in own if not _is_usable(each)):
        return None, []
    pool = [each for each in pool if not _is_superseded(each, pool)]
    best = [each for each in pool if each.weight == pool[0].weight or _is_as_likely(each, pool[0])]
    objects = {(each.root, each.made.origin) for each in best}
    return (best[0] if len(objects) == 1 else None), best


def _is_as_likely(other: Candidate, first: Candidate) -> bool:
    """Whether only its depth speaks against an object that has nothing to do with the first one."""
    return (
        first.weight - other.weight <= DEPTH
        and first.weight < NAMED
        and first.root == other.root
        and other.is_required
        and not first.function
        and not other.function
        and not first.is_imported_with(other)
    )


def _is_superseded(candidate: Candidate, pool: list[Candidate]) -> bool:
    """Whether a factory is called for an object of the repository, which may be given more than the factory gives."""
    return (
        candidate.function is not None
        and candidate.weight < NAMED
        and any(
            not each.function and candidate.made.origin in each.made.by and each.weight > FOR_ANOTHER_JOB
            for each in pool
        )
    )


def _is_likelier(lacking: Candidate, usable: Candidate) -> bool:
    """Whether one that can't be served as it is speaks so strongly that the other is likely not what is meant."""
    if lacking.made.origin == usable.made.origin or lacking.made.origin in usable.made.by:
        return usable.weight <= FOR_A_QUEUE
    # A factory with arguments is often what the one without them calls.
    return lacking.weight > usable.weight or (lacking.weight == usable.weight and not lacking.function)


def is_part(candidate: Candidate) -> bool:
    """Whether it belongs to the application, and is no example or test beside it."""
    file = candidate.module.file
    outermost = {*candidate.root.parts, candidate.module.name.partition(".")[0], file.path.name.partition("_")[0]}
    return not file.beside or not outermost & BESIDE


def order(candidate: Candidate) -> tuple[object, ...]:
    """The weightiest first; of the names of one object, that of its own module, then the one that servers look for."""
    is_own = candidate.made.origin.module == candidate.module.name
    name = NAMES.index(candidate.name) if candidate.name in NAMES else len(NAMES)
    return -candidate.weight, not is_own, name, len(candidate.reference), candidate.reference


def _is_usable(candidate: Candidate) -> bool:
    if candidate.weight >= NAMED:
        return not any(lack.is_certain for lack in candidate.lacks)
    return not candidate.lacks


def _by_declaration(candidate: Candidate, declared: Declared) -> None:
    _add(candidate, declared.weight, f"{declared.place} passes it to {declared.by}")
    folder = candidate.module.file.path.parent
    if candidate.module_name == declared.module:
        candidate.weight += 3
    if declared.folder and _ends_with(".".join(folder.parts), declared.folder.strip("./").replace("/", ".")):
        candidate.weight += 5
    if folder.is_relative_to(PurePosixPath(declared.place).parent):
        candidate.weight += len(PurePosixPath(declared.place).parts)
    written = f"m:f{declared.call}"
    if candidate.function and declared.call not in ("", "()") and reference(written):
        candidate.call = declared.call
        candidate.lacks = [each for each in candidate.lacks if not each.is_certain]


def _matches(declared: Declared, candidate: Candidate) -> bool:
    if declared.name and declared.name.partition(".")[0] != candidate.name:
        return False
    if not declared.module:
        return True
    written, path = declared.module, _dotted(candidate.module.file.path)
    return _ends_with(path, written) or _ends_with(written, path) or _ends_with(written, candidate.module_name)


def _dotted(path: PurePosixPath) -> str:
    """A file's path as the name of a module that is imported from the repository."""
    parts = [each for each in path.with_suffix("").parts if each != "__init__"]
    return ".".join(parts)


def _ends_with(name: str, end: str) -> bool:
    return bool(end) and f".{name}".endswith(f".{end}")


def _is_required(kind: Kind, requires: set[str]) -> bool:
    """Whether the framework is required, or an extension of it, which brings it."""
    package = PACKAGES.get(kind)
    return not package or any(each == package or each.startswith(f"{package}-") for each in requires)


def _add(candidate: Candidate, weight: int, reason: str) -> None:
    candidate.weight += weight
    candidate.reasons.append(reason)
