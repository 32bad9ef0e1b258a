"""The records of what expressions make, and where an expression stands."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from delivery.detection.callables.code.kinds import Kind
from delivery.detection.callables.code.module import Module


@dataclass(frozen=True)
class Origin:
    """Where an object is made: two names of the same origin are the same application."""

    module: str
    name: str
    line: int


@dataclass(frozen=True)
class Made:
    """What an expression makes."""

    kind: Kind
    origin: Origin
    attribute: str = ""
    """The attribute of the object that is to be served, such as a Dash's `server`; "" for itself."""
    by: frozenset[Origin] = frozenset()
    """The functions of the repository that are called for it."""


Given = Mapping[str, "tuple[ast.AST, Scope] | None"]
"""What a call gives for each parameter, and where that is written; None for what it does not give."""


@dataclass(frozen=True)
class Scope:
    """The module that an expression is in, and in a function the local names and what a call gave for parameters."""

    module: Module
    local: dict[str, list[ast.AST]]
    given: Given

    @classmethod
    def of(cls, module: Module) -> Scope:
        """The top level of a module."""
        return cls(module, {}, {})

    def without(self, name: str) -> Scope:
        """The same, where this name is not looked up again."""
        return replace(self, local={each: nodes for each, nodes in self.local.items() if each != name})


def returned(node: ast.stmt, position: int | None) -> ast.expr | None:
    """What a statement returns. position: of what is meant in a tuple; None where a tuple is nothing."""
    value = node.value if isinstance(node, ast.Return) else None
    if position is None or value is None:
        return value
    return value.elts[position] if isinstance(value, ast.Tuple) and position < len(value.elts) else None


def values(node: ast.AST) -> list[ast.expr]:
    """The expressions of which one is the value of this one."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    return [node.value] if isinstance(node, ast.NamedExpr) else []


def object_of(kind: Kind, origin: Origin) -> Made:
    """An object of this kind, and the attribute of it that is served."""
    # Only recent versions of Dash are WSGI callables themselves; their server is one in all.
    return Made(kind, origin, "server" if kind is Kind.DASH else "")
