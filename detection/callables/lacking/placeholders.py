"""Modules that are examples: to be copied, and filled in where a placeholder such as `/path/to/tracker` stands."""

from __future__ import annotations

import ast
import re

from detection.callables.code.module import Module

_PLACEHOLDER = re.compile(r"(^|/)path/to(/|$)|/(your|my)[-_](path|app|project|folder)(/|$)")

LONGEST = 200
"""Characters of a value. Longer texts are prose, which may speak of a path."""


def placeholder(module: Module) -> tuple[str, int] | None:
    """A placeholder that the module binds or gives to a call when it is imported, and its line."""
    for statement in module.top_level:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        ):
            for node in ast.walk(statement):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and len(text) < LONGEST and _PLACEHOLDER.search(text):
                    return text, getattr(node, "lineno", statement.lineno)
    return None
