"""What a factory can't do without although it can be called: an argument that is given as nothing.

The default of such an argument is None, its name says that it is a file, a folder or an address, and the function and
those of the repository that it hands it to use it without a test whether it is there.
"""

from __future__ import annotations

import ast
import re

from delivery.detection.callables.code import signatures
from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.modules import Modules

_IS_A_PLACE = re.compile(r"(^|_)(path|file|filename|dir|directory|folder|home|uri|url|dsn|conf|ini)s?$")
_FURTHER = 4
"""How many functions a value is followed through."""


_OPENING = re.compile(r"(^|\.)(open|Path|PurePath|from_pyfile|create_engine|isdir|isfile)$|^os\.path\.|^shutil\.")
"""Calls that fail with None, or find that there is no such place."""


def used_untested(modules: Modules, module: Module, function: ast.FunctionDef) -> list[str]:
    """The arguments of a factory with the default None that it uses as a place without a test."""
    return [
        name
        for name, default in signatures.parameters(function).items()
        if isinstance(default, ast.Constant)
        and default.value is None
        and _IS_A_PLACE.search(name)
        and _is_opened(modules, module, function, name, _FURTHER)
    ]


def _is_opened(modules: Modules, module: Module, function: ast.FunctionDef, name: str, further: int) -> bool:
    """Whether the function, or one that it hands the value to, opens it or keeps it as configuration, untested."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    if any(_tests(node, name) for node in nodes):
        return False
    handed = [
        (where, called, given)
        for node in nodes
        if further and isinstance(node, ast.Call) and (found := modules.function(module, node.func))
        for where, called in [found]
        for given, value in signatures.given(called, node).items()
        if _is(value, name)
    ]
    return any(_opens(node, name) for node in nodes) or any(_is_opened(modules, *each, further - 1) for each in handed)


def _tests(node: ast.AST, name: str) -> bool:
    """Whether the value decides something here, or is replaced."""
    if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
        return _names(node.test, name)
    if isinstance(node, (ast.BoolOp, ast.Compare)):
        return _names(node, name)
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def _opens(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Call):
        return bool(_OPENING.search(ast.unparse(node.func))) and any(_is(each, name) for each in node.args)
    return (
        isinstance(node, ast.Assign)
        and _is(node.value, name)
        and any(isinstance(each, ast.Subscript) and ast.unparse(each.value).endswith("config") for each in node.targets)
    )


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _names(node: ast.AST, name: str) -> bool:
    return any(_is(each, name) for each in ast.walk(node))
