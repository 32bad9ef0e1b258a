"""Environment variables that are read from os.environ, and whether the application insists on them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.modules import Module, argument, source_of
from delivery.detection.description import Setting
from delivery.detection.surroundings.settings.variables import is_at_start, is_guarded, literal, setting

READERS = ("os.environ.get", "os.getenv", "os.environ.pop", "os.environ.setdefault")


def provided_by(application: Application, module: Module) -> Iterator[str]:
    """The variables that the application sets itself."""
    for node in module.nodes:
        name: str | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and is_environ(module, node.value):
            name = application.text(module, node.slice)
        elif isinstance(node, ast.Call) and module.dotted(node.func) == "os.environ.setdefault":
            name = application.text(module, argument(node, 0, "key"))
        if name:
            yield name


def by_python(application: Application, module: Module) -> Iterator[Setting]:
    """The variables that a module reads from os.environ."""
    for node in module.nodes:
        if isinstance(node, ast.Subscript) and is_environ(module, node.value):
            name = application.text(module, node.slice)
            if name and isinstance(node.ctx, ast.Load):
                guarded = is_guarded(module, node, repr(name), source_of(node.slice))
                yield setting(name, module.place(node), required=is_at_start(module, node) and not guarded)
        elif isinstance(node, ast.Call) and module.dotted(node.func) in READERS:
            name = application.text(module, argument(node, 0, "key"))
            if name:
                default = literal(argument(node, 1, "default")) or _alternative(module, node)
                yield setting(
                    name,
                    module.place(node),
                    required=is_at_start(module, node) and _is_insisted_on(module, node),
                    default=default,
                )
        elif isinstance(node, ast.Compare) and any(is_environ(module, each) for each in node.comparators):
            name = application.text(module, node.left)
            if name:
                yield setting(name, module.place(node), required=False)


def is_environ(module: Module, node: ast.AST) -> bool:
    """Whether an expression is os.environ."""
    return module.dotted(node) == "os.environ"


def _alternative(module: Module, call: ast.Call) -> str:
    """The default in `os.environ.get("NAME") or "default"`."""
    parent = module.parents.get(call)
    return literal(parent.values[-1]) if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or) else ""


def _is_insisted_on(module: Module, call: ast.Call) -> bool:
    """Whether what is read without a default is checked, and its absence ends in an error: `if not key: raise ...`."""
    if argument(call, 1, "default") is not None or module.dotted(call.func).endswith(("pop", "setdefault")):
        return False
    parent = module.parents.get(call)
    names = (
        {each.id for each in parent.targets if isinstance(each, ast.Name)} if isinstance(parent, ast.Assign) else set()
    )
    scope = next((each for each in module.above(call) if isinstance(each, ast.FunctionDef)), module.tree)
    checks = [node for node in ast.walk(scope) if isinstance(node, ast.If)] if names else _checks(module, call)
    return any(_is_absent(each.test, names, call) and _fails(each.body) for each in checks)


def _checks(module: Module, call: ast.Call) -> list[ast.If]:
    return [each for each in module.above(call) if isinstance(each, ast.If) and call in ast.walk(each.test)]


def _is_absent(test: ast.expr, names: set[str], call: ast.Call) -> bool:
    """Whether a test alone asks for the absence of a name or of what is read."""
    asked: ast.AST | None = None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        asked = test.operand
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.Eq):
        asked = test.left if isinstance(test.comparators[0], ast.Constant) and not test.comparators[0].value else None
    return asked is call or (isinstance(asked, ast.Name) and asked.id in names)


def _fails(body: Iterable[ast.stmt]) -> bool:
    return any(
        isinstance(each, ast.Raise)
        or (isinstance(each, ast.Expr) and source_of(each).startswith(("sys.exit(", "exit(", "quit(")))
        for each in body
    )
