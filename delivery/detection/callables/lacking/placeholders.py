"""Modules that are examples: to be copied, and filled in where a placeholder such as `/path/to/tracker` stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

_PLACEHOLDER = re.compile(
    r"(^|/)path/to(/|$)|/(your|my)[-_](path|app|project|folder)(/|$)|^%\(\w+\)s$|^\{\{.*\}\}$|^<[\w -]+>$"
)
LONGEST = 200
"""Characters of a value. Longer texts are prose, which may speak of a path."""


def placeholder(statements: Iterable[ast.stmt]) -> tuple[str, int] | None:
    """A placeholder that one of these statements binds or gives to a call, and its line."""
    for statement in statements:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        ):
            for node in ast.walk(statement):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and len(text) < LONGEST and _PLACEHOLDER.search(text):
                    return text, getattr(node, "lineno", statement.lineno)
    return None
