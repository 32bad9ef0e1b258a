"""What an application that was found lacks, if anything: arguments, steps of its own command, real values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from delivery.detection.callables.code import signatures
from delivery.detection.callables.code.made import Made
from delivery.detection.callables.code.making import Making
from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.statements import MAIN_GUARD
from delivery.detection.callables.lacking.arguments import used_untested
from delivery.detection.callables.lacking.command_line import reads_command_line
from delivery.detection.callables.lacking.completion import Completion, Step
from delivery.detection.callables.lacking.lack import Lack
from delivery.detection.callables.lacking.placeholders import placeholder

_IS_AN_APPLICATION = re.compile(r"app|wsgi|dispatch|serve", re.IGNORECASE)
"""Names of functions that are an application."""


def lacks(
    making: Making,
    completion: Completion | None,
    module: Module,
    name: str,
    made: Made,
    function: ast.FunctionDef | None,
) -> list[Lack]:
    """All that it lacks. function: its factory; None for an object."""
    found: list[Lack] = []
    if found_placeholder := placeholder(module.top_level):
        found.append(_example(module, name, *found_placeholder))
    if function:
        found += _arguments(making, module, name, function)
    else:
        found += _made_of_nothing(making, module, name)
        found += _not_yet_made(completion, module, name)
        found += _not_said_to_be(module, name)
    body = function.body if function else module.tree.body
    if place := reads_command_line(making.modules, module, body):
        found.append(_by_command_line(module, name, place))
    if completion and (missing := completion.missing(module, made)):
        found.append(_incomplete(module, name, function, missing[0]))
    return found


def _example(module: Module, name: str, text: str, line: int) -> Lack:
    return Lack(
        f"{module.name}:{name} is a template to copy: {text!r} ({module.file.path}:{line}) is a placeholder",
        "copy the file to the root of the repository, for example as wsgi.py, replace the placeholder, then set "
        "`serve` in flask-app.toml to it",
        'serve = "wsgi:app"',
    )


def _arguments(making: Making, module: Module, name: str, function: ast.FunctionDef) -> Iterator[Lack]:
    place = f"{module.file.path}:{function.lineno}"
    needed = signatures.required(function)
    if needed:
        cause = f"the factory {module.name}:{name} ({place}) requires {_listed(needed)}"
    elif needed := used_untested(making.modules, module, function):
        cause = f"the factory {module.name}:{name} ({place}) opens {_listed(needed)}, whose default is None"
    if needed:
        yield Lack(cause, *_call_with(module, name, needed))


def _made_of_nothing(making: Making, module: Module, name: str) -> Iterator[Lack]:
    """An object that a factory makes of an empty list where it can't be called without one."""
    for node in module.bindings.get(name, []):
        found = making.modules.function(module, node.func) if isinstance(node, ast.Call) else None
        if found and isinstance(node, ast.Call):
            where, factory = found
            given = signatures.given(factory, node)
            empty = [
                each
                for each in signatures.required(factory)
                if isinstance(value := given.get(each), (ast.List, ast.Tuple)) and not value.elts
            ]
            if empty:
                yield Lack(
                    f"{module.name}:{name} ({module.file.path}:{node.lineno}) is given an empty {_listed(empty)}",
                    *_call_with(where, factory.name, empty),
                )


def _not_yet_made(completion: Completion | None, module: Module, name: str) -> Iterator[Lack]:
    """A global that is None until a function is called, which importing the module does not do."""
    functions = module.assigning.get(name, [])
    bound = module.bindings.get(name, [])
    if not functions or not completion or not all(isinstance(each, ast.Constant) for each in bound):
        return
    called = completion.called_at_import(module)
    if not any(f"{module.name}.{each.name}" in called for each in functions):
        first = functions[0]
        yield Lack(
            f"{module.name}:{name} is None until {module.name}.{first.name}() ({module.file.path}:{first.lineno}) is "
            "called, and importing the module doesn't call it",
            f"add a module wsgi.py that calls {first.name}() and assigns the application to `app`, then set `serve` in "
            "flask-app.toml to it",
            'serve = "wsgi:app"',
        )


def _not_said_to_be(module: Module, name: str) -> Iterator[Lack]:
    """A function that takes a request as WSGI does, as parts of applications and tools do, too."""
    node = module.bindings.get(name, [None])[-1]
    if isinstance(node, ast.FunctionDef) and not _IS_AN_APPLICATION.search(name):
        yield Lack(
            f"{module.name}:{name} ({module.file.path}:{node.lineno}) takes environ and start_response, but may "
            "be only part of an application",
            "if it is the application, set `serve` in flask-app.toml to it",
            f'serve = "{module.name}:{name}"',
            is_certain=False,
        )


def _by_command_line(module: Module, name: str, place: str) -> Lack:
    return Lack(
        f"{module.name}:{name} is created from command-line arguments ({place}), and under a server those are "
        "the server's",
        "add a module wsgi.py that creates the application without them, for example from environment variables, and "
        "assigns it to `app`, then set `serve` in flask-app.toml to it",
        'serve = "wsgi:app"',
    )


def _incomplete(module: Module, name: str, function: ast.FunctionDef | None, step: Step) -> Lack:
    reference = f"{module.name}:{name}{'()' if function else ''}"
    done_by, verb = (f"{step.function}()", "call") if step.function else (MAIN_GUARD, "run")
    return Lack(
        f"{reference} is incomplete when imported: {done_by} {step.what} ({step.place}), and a server doesn't "
        f"{verb} it",
        f"add a module wsgi.py that does what {done_by} does and assigns the application to `app`, then set `serve` in "
        f"flask-app.toml to it; if the application works without that, set `serve` to {reference} instead",
        'serve = "wsgi:app"',
        is_certain=False,
    )


def _call_with(module: Module, name: str, arguments: list[str]) -> tuple[str, str]:
    """The remedy, and the line with the names of the arguments."""
    return (
        "set the arguments in flask-app.toml; if they aren't literals, add a module wsgi.py with "
        f'`from {module.name} import {name}` and `app = {name}(...)`, and set `serve = "wsgi:app"`',
        f'serve = "{module.name}:{name}{signatures.call_with(arguments)}"',
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
