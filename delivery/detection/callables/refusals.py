"""Why nothing can be served, and what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from delivery.detection.callables.candidates import Below, Candidate
from delivery.detection.callables.choice import order
from delivery.detection.callables.code.kinds import MAKERS, Kind
from delivery.detection.callables.code.modules import PARENT
from delivery.detection.callables.code.statements import MAIN_GUARD, calls, of_function, when_run
from delivery.detection.callables.production.own_commands import own_commands, paste_factory
from delivery.detection.callables.roots import Roots
from delivery.detection.description import Found, Problem
from delivery.detection.repository import Repository

PACKAGING = ("setup.py", "conftest.py", "noxfile.py", "tasks.py")
"""Files that are no part of what a repository holds."""
MOST = 8
"""Candidates that are listed. More are of one repository with many scripts, and are not read."""


def several(possible: list[Candidate]) -> Problem:
    """More than one could be meant."""
    return Problem(
        f"{len(possible)} applications could be served, and nothing says which one production serves",
        "choose one in flask-app.toml",
        _listed(possible),
        _line(possible),
    )


def has_more_than_examples(repository: Repository) -> bool:
    """Whether the repository has modules of its own, so that the applications in its examples show how to use them."""
    python = [file for path, file in repository.files.items() if path.endswith(".py") and path not in PACKAGING]
    return any(not file.beside and repository.content(file).strip() for file in python)


def only_examples(possible: list[Candidate]) -> Problem:
    """The applications are all in examples or tests of something else, which is likely a library."""
    return Problem(
        "the only applications are in folders of examples and tests, so the repository is probably a library",
        "serve an application that uses it; to serve one of these, set `serve` in flask-app.toml",
        _listed(possible),
        _line(possible),
    )


def _line(possible: list[Candidate]) -> str:
    """The line that decides for the first; by its root where all have the same name."""
    first = possible[0]
    if len(possible) > 1 and len({each.reference for each in possible}) == 1:
        return f'root = "{first.root}"'
    return first.written


def is_served_as_asgi(asgi: list[Candidate], chosen: Candidate | None) -> bool:
    """Whether production starts an ASGI application rather than the one that was chosen."""
    named = max((each.weight for each in asgi), default=0)
    return named >= 80 and (chosen is None or chosen.weight < named)


def asgi(found: list[Candidate]) -> Problem:
    """An ASGI application."""
    first = max(found, key=lambda each: (not each.module.file.beside, each.weight, -len(each.reference)))
    return Problem(
        f"{first.reference} ({first.place}) is an ASGI application, and nodrop serves WSGI",
        "serve it with an ASGI server such as uvicorn; or wrap it with a2wsgi.ASGIMiddleware in a module wsgi.py, then "
        "set `serve` in flask-app.toml to it",
        _listed([each for each in found if not each.module.file.beside]),
        'serve = "wsgi:app"',
    )


def nothing(repository: Repository, below: list[Below], wsgi: list[Candidate], asgi_ones: list[Candidate]) -> Problem:
    """No application that can be served as it is."""
    lacking = [each for each in wsgi if each.lacks and not each.module.file.beside]
    if from_ini := paste_factory(repository):
        function, place = from_ini
        return Problem(
            f"PasteDeploy creates the application from an ini file ({place}: paste.app_factory = {function})",
            "add a module wsgi.py with `from paste.deploy import loadapp` and `app = loadapp('config:/srv/NAME.ini')`, "
            "then set `serve` in flask-app.toml to it",
            line='serve = "wsgi:app"',
        )
    if lacking:
        return _lacking(repository, lacking)
    if asgi_ones:
        return asgi(asgi_ones)
    others = [each for part in below for each in part.found if each.made.kind is Kind.OTHER_SERVER]
    if others:
        return Problem(
            f"{others[0].reference} ({others[0].place}) has its own server and isn't a WSGI application",
            f"start it with its own server{_by_its_command(repository)}: nodrop serves WSGI applications such as Flask",
            _listed(others),
        )
    if inside := next((each for part in below for each in _made_inside(part)), None):
        function, place = inside
        return Problem(
            f"the application is a local variable of {function} ({place}), so a server can't import it",
            f"return it from a function, or assign it to a module-level name{_by_its_command(repository)}, then set "
            "`serve` in flask-app.toml to it",
            line='serve = "module:name"',
        )
    return _none(repository)


def _none(repository: Repository) -> Problem:
    roots = Roots(repository)
    name = repository.folder.name
    if PARENT in roots.all and not name.isidentifier():
        return Problem(
            f"the repository is itself a package (__init__.py), and its folder's name {name!r} isn't a module name",
            f"rename the folder, for example to {''.join(each if each.isalnum() else '_' for each in name)}",
        )
    python = [path for path in repository.files if path.endswith(".py")]
    cause = f"no WSGI application was found in {len(python)} Python files"
    unreadable = [(path, why) for path, why in repository.unreadable.items() if path.endswith(".py")]
    if unreadable:
        cause += f", of which {len(unreadable)} can't be parsed ({': '.join(unreadable[0])})"
    return Problem(
        cause,
        f"if it is a library, serve an application that uses it{_by_its_command(repository)}; otherwise set "
        "`serve` in flask-app.toml",
        line='serve = "module:name"',
    )


def _lacking(repository: Repository, found: list[Candidate]) -> Problem:
    found.sort(key=order)
    lack = found[0].lacks[0]
    return Problem(lack.cause, f"{lack.remedy}{_by_its_command(repository)}", _listed(found), lack.line)


def _listed(found: list[Candidate]) -> tuple[Found[str], ...]:
    """The candidates, each with its place and why."""
    listed = []
    for each in found[:MOST]:
        why = [lack.cause for lack in each.lacks[:1]] or each.reasons[:2]
        listed.append(Found(each.reference, each.place + (f": {'; '.join(why)}" if why else "")))
    return tuple(listed)


def _by_its_command(repository: Repository) -> str:
    names = [f"`{each.name}`" for each in own_commands(repository)][:2]
    return f" (its own command is {' or '.join(names)})" if names else ""


def _made_inside(below: Below) -> Iterator[tuple[str, str]]:
    """What makes an application and keeps it, and the places: functions, and blocks that are not run on import."""
    for module in below.looked_into:
        if module.file.beside:
            continue
        functions = [node for node in module.statements if isinstance(node, ast.FunctionDef)]
        bodies = [(f"{module.name}.{each.name}()", of_function(each)) for each in functions]
        for what, body in [*bodies, (MAIN_GUARD, when_run(module.tree))]:
            for call in (call for statement in body for call in calls(statement)):
                kind = MAKERS.get(below.making.modules.full_name(module, call.func))
                if kind and kind.is_wsgi:
                    yield what, f"{module.file.path}:{call.lineno}"
