"""An environment variable: whether its name says that it is confidential, and what its default is."""

from __future__ import annotations

import ast
import re

from delivery.detection.code.modules import FUNCTIONS, Module, source_of
from delivery.detection.description import Setting
from nodrop.logs.masking.names import is_secret

ADDRESSES = re.compile(
    r"(?:DATABASE|DB|POSTGRES\w*|PG|MYSQL|SQL\w*|REDIS\w*|MONGO\w*|BROKER|AMQP|RABBITMQ|CELERY\w*|CACHE)_?\w*"
    r"(?:URL|URI|DSN)|\w*(?:SENTRY|DATABASE)_?(?:DSN|URL|URI)|\w*PEPPER"
)
"""Addresses that have credentials in them as a rule."""


def is_confidential(name: str, default: str = "") -> bool:
    """Whether the name of a variable, or the address that it is by default, says that it is confidential."""
    return (
        is_secret(name) or bool(ADDRESSES.fullmatch(name.upper())) or bool(re.search(r"//[^/@\s:]*:[^/@\s]+@", default))
    )


def setting(name: str, place: str, *, required: bool, default: str = "") -> Setting:
    """A variable whose name says whether it is a secret."""
    return Setting(name, place, required=required, secret=is_confidential(name, default), default=default)


def literal(node: ast.AST | None) -> str:
    """The text of a literal as a variable would have it; empty if it is computed."""
    if isinstance(node, ast.Constant) and node.value is not None:
        return str(node.value)
    return ""


STARTING = re.compile(r"create|make|init|set_?up|configure|config|settings|load|build|connect", re.IGNORECASE)
"""In the name of a function that runs when the application starts."""


def is_at_start(module: Module, node: ast.AST) -> bool:
    """Whether the code likely runs when the application starts: on import, or in a function that sets it up."""
    functions = [each.name for each in module.above(node) if isinstance(each, FUNCTIONS)]
    return all(STARTING.search(each) for each in functions)


def is_guarded(module: Module, node: ast.AST, *names: str) -> bool:
    """Whether the variable is read only if it is there, or its absence is caught."""
    below = node
    for above in module.above(node):
        if isinstance(above, ast.If | ast.IfExp | ast.While) and _mentions(above.test, names):
            return True
        if isinstance(above, ast.Try) and below in above.body:
            caught = " ".join(source_of(each.type) if each.type else "Exception" for each in above.handlers)
            if re.search(r"\b(KeyError|LookupError|Exception|BaseException)\b", caught):
                return not all(any(isinstance(each, ast.Raise) for each in handler.body) for handler in above.handlers)
        if isinstance(above, ast.BoolOp) and any(_mentions(each, names) for each in above.values if each is not below):
            return True
        below = above
    return False


def _mentions(test: ast.expr, names: tuple[str, ...]) -> bool:
    source = source_of(test)
    return any(each in source for each in names)
