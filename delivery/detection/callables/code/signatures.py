"""What functions take, by their definitions."""

from __future__ import annotations

import ast

_ENVIRONMENTS = ("environ", "env", "environment")
_MODES = {"config_name", "env", "environment", "mode", "config", "config_type", "configuration", "stage"}
"""Arguments that often take `production`."""


def is_wsgi(node: ast.FunctionDef) -> bool:
    """Whether it takes environ and start_response, by their usual names."""
    names = [each.arg for each in node.args.args if each.arg not in ("self", "cls")]
    return len(names) == 2 and names[0] in _ENVIRONMENTS and names[1].startswith(("start", "sr"))


def is_asgi(node: ast.AsyncFunctionDef) -> bool:
    """Whether it takes scope, receive and send, by their usual names."""
    return [each.arg for each in node.args.args] == ["scope", "receive", "send"]


def parameters(node: ast.FunctionDef) -> dict[str, ast.expr | None]:
    """What it takes by position or name, in order, with the defaults; None where there is none."""
    by_position = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
    without = len(by_position) - len(node.args.defaults)
    found: dict[str, ast.expr | None] = dict.fromkeys(by_position[:without])
    found.update(zip(by_position[without:], node.args.defaults, strict=True))
    found.update(zip((each.arg for each in node.args.kwonlyargs), node.args.kw_defaults, strict=True))
    return {name: default for name, default in found.items() if name not in ("self", "cls")}


def required(node: ast.FunctionDef) -> list[str]:
    """The arguments that it can't be called without."""
    return [name for name, default in parameters(node).items() if default is None]


def call_with(names: list[str]) -> str:
    """How a call with these arguments is written, as a line to fill in: `(mode='production', path='...')`."""
    return "(" + ", ".join(f"{each}='{'production' if each in _MODES else '...'}'" for each in names) + ")"


def given(node: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """The expressions that a call gives for the parameters of a function."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return {}
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg not in ("self", "cls")]
    found = dict(zip(names, call.args, strict=False))
    found.update({each.arg: each.value for each in call.keywords if each.arg})
    return found
