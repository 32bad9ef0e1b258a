"""The statements of a syntax tree, without a look into expressions, which are most of it and bind nothing here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a statement has further ones."""
OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CONDITIONAL = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match, ast.ExceptHandler)

MAIN_GUARD = "the block under `if __name__ == '__main__':`"
"""What runs only when the module is the program that is started, for messages."""


def everywhere(tree: ast.AST) -> Iterator[ast.stmt]:
    """All of them, those in functions and classes too."""
    return _walk(_blocks(tree), stop=())


def at_import(tree: ast.AST) -> Iterator[ast.stmt]:
    """Those that run when the module is imported: in if, try and with too, but not below a main guard."""
    waiting = list(reversed(_blocks(tree)))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and is_main_guard(node):
            waiting += reversed(node.orelse)
            continue
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, OWN_SCOPE):
            waiting += reversed(_blocks(node))


def when_run(tree: ast.Module) -> Iterator[ast.stmt]:
    """Those below a main guard, which run when the module is the program that is started."""
    for node in tree.body:
        if isinstance(node, ast.If) and is_main_guard(node):
            yield from unconditional(node.body)


def of_function(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """Those of a function, but not of functions and classes in it."""
    return _walk(function.body, stop=OWN_SCOPE)


def unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a body that run whenever it does, up to an error or an early return."""
    return _walk(body, stop=(*OWN_SCOPE, *CONDITIONAL))


def _walk(nodes: Sequence[ast.AST], *, stop: tuple[type[ast.AST], ...]) -> Iterator[ast.stmt]:
    waiting: list[ast.AST] = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        if isinstance(node, stop):
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting += reversed(_blocks(node))


def is_main_guard(node: ast.If) -> bool:
    """Whether this is `if __name__ == "__main__":`, whichever way round."""
    return (
        isinstance(node.test, ast.Compare)
        and isinstance(node.test.ops[0], ast.Eq)
        and {ast.unparse(each) for each in (node.test.left, *node.test.comparators)} == {"__name__", "'__main__'"}
    )


def calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls in a statement, but not in the statements, functions and lambdas in it."""
    waiting: list[ast.AST] = [
        each
        for each in ast.iter_child_nodes(statement)
        if not isinstance(each, (ast.stmt, ast.ExceptHandler, ast.match_case))
    ]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def _blocks(node: ast.AST) -> list[ast.AST]:
    return [each for name in BLOCKS for each in (getattr(node, name, None) or ()) if isinstance(each, ast.AST)]
