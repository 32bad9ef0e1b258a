"""Environment variables that a function of the application reads: `def setting(name): return os.environ[name]`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.detection.code.application import Application
from delivery.detection.code.modules import FUNCTIONS, Module, argument, source_of
from delivery.detection.description import Setting
from delivery.detection.surroundings.settings.python import READERS, is_environ
from delivery.detection.surroundings.settings.variables import is_at_start, is_guarded, literal, setting


@dataclass(frozen=True)
class _Helper:
    """A function that reads the variable which it is given. position: of the name among its parameters."""

    position: int
    parameter: str
    default: str
    """The parameter that is the default; empty if it has none."""
    is_strict: bool
    """It fails if the variable isn't set and no default is given."""


def by_helpers(application: Application) -> Iterator[Setting]:
    """The variables whose names are passed to such functions."""
    helpers = {name: helper for module in application.modules for name, helper in _defined(module)}
    if not helpers:
        return
    for module in application.modules:
        for call in module.calls:
            name = module.dotted(call.func)
            helper = helpers.get(name) or helpers.get(f"{module.name}.{name}")
            if helper:
                yield from _read(application, module, call, helper)


def _read(application: Application, module: Module, call: ast.Call, helper: _Helper) -> Iterator[Setting]:
    given = argument(call, helper.position, helper.parameter)
    default = argument(call, helper.position + 1, helper.default) if helper.default else None
    several = isinstance(given, ast.List | ast.Tuple)
    for each in given.elts if isinstance(given, ast.List | ast.Tuple) else [given]:
        name = application.text(module, each)
        if name:
            required = helper.is_strict and default is None and not several and is_at_start(module, call)
            yield setting(name, module.place(call), required=required, default=literal(default))


def _defined(module: Module) -> Iterator[tuple[str, _Helper]]:
    for node in module.nodes:
        if not isinstance(node, FUNCTIONS):
            continue
        parameters = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        for inner in ast.walk(node):
            key, is_strict = _key(module, inner)
            # A loop over what is given reads each of it.
            name = _source(node, key) if key else ""
            if name in parameters:
                position = parameters.index(name)
                rest = parameters[position + 1 :]
                default = next((each for each in rest if "default" in each or each in ("fallback", "value")), "")
                yield f"{module.name}.{node.name}", _Helper(position, name, default, is_strict)
                break


def _key(module: Module, node: ast.AST) -> tuple[str, bool]:
    """The name of what is the variable's name where one is read, and whether its absence is an error."""
    key: ast.AST | None = None
    is_strict = False
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_environ(module, node.value):
        key, is_strict = node.slice, not is_guarded(module, node, source_of(node.slice) + " in ")
    elif isinstance(node, ast.Call) and module.dotted(node.func) in READERS:
        key = argument(node, 0, "key")
    return (key.id, is_strict) if isinstance(key, ast.Name) else ("", False)


def _source(function: ast.AST, name: str) -> str:
    """What a name loops over in a function; the name itself if it isn't that of a loop."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.For | ast.comprehension)
            and isinstance(node.target, ast.Name)
            and node.target.id == name
        ):
            return node.iter.id if isinstance(node.iter, ast.Name) else ""
    return name
