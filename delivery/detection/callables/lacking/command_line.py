"""Code that reads the command line: under a server, that holds the server's arguments and not the application's."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.modules import Modules
from delivery.detection.callables.code.statements import OWN_SCOPE, calls, unconditional

_FURTHER = 3
"""How many functions are followed."""


def reads_command_line(modules: Modules, module: Module, body: list[ast.stmt], further: int = _FURTHER) -> str:
    """The place of what always reads it when these statements run; "" if nothing does."""
    for statement in unconditional(body):
        if _reads(statement):
            return f"{module.file.path}:{statement.lineno}"
        for call in calls(statement) if further else ():
            if found := modules.function(module, call.func):
                where, function = found
                if place := reads_command_line(modules, where, function.body, further - 1):
                    return place
    return ""


def _reads(statement: ast.stmt) -> bool:
    """Whether it parses the arguments, or takes one of them by its position."""
    return any(_parses(call) for call in calls(statement)) or any(
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and node.slice.value != 0
        and ast.unparse(node.value) == "sys.argv"
        for node in _expressions(statement)
    )


def _parses(call: ast.Call) -> bool:
    is_parser = isinstance(call.func, ast.Attribute) and call.func.attr == "parse_args"
    return is_parser and not call.args and not call.keywords


def _expressions(statement: ast.stmt) -> Iterable[ast.AST]:
    """The expressions of a statement itself, but not one that is used only in a case."""
    waiting: list[ast.AST] = [
        each for each in ast.iter_child_nodes(statement) if not isinstance(each, (ast.stmt, *OWN_SCOPE))
    ]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.IfExp, ast.BoolOp, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
