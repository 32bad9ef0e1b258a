"""One module: what its names mean, and the nodes of its tree that can run when the application serves.

Left out are what only a direct start runs (`if __name__ == "__main__"`) and the commands of a command line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from delivery.detection.repository import File

WITHOUT_MEANING = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.alias)
"""Nodes that say nothing apart from the node they belong to. They are a third of a tree."""
LONGEST_CHAIN = 20
"""Attributes and calls of a name. What means something has a few; chains of thousands are in tables that are made."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef)


@dataclass(eq=False)
class Module:
    """A Python file. name: dotted, as it is imported."""

    name: str
    file: File
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.file.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def place(self, node: ast.AST) -> str:
        """File and line of a node."""
        return f"{self.file.path}:{getattr(node, 'lineno', 1)}"

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of them in the order of the source, and the parent of each in `parents`."""
        found: list[ast.AST] = []
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            found.append(node)
            children = list(_children(node))
            self.parents.update((each, node) for each in children)
            waiting += reversed(children)
        return found

    @cached_property
    def calls(self) -> list[ast.Call]:
        """All calls in it."""
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node lies in, from the inside."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    @cached_property
    def imports(self) -> dict[str, str]:
        """The names that imports bind, and what they mean, in full."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for each in node.names:
                    found[each.asname or each.name.split(".")[0]] = (
                        each.name if each.asname else each.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                base = self.base_of(node)
                found.update({each.asname or each.name: f"{base}.{each.name}" for each in node.names})
        return found

    def base_of(self, node: ast.ImportFrom) -> str:
        """The full name of the module that something is imported from."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        start = parts[: len(parts) - node.level + 1]
        return ".".join([*start, *([node.module] if node.module else [])])

    @cached_property
    def values(self) -> dict[str, ast.expr]:
        """The names that are assigned, and the first value of each, those of functions and classes too."""
        found: dict[str, ast.expr] = {}
        for node in self.nodes:
            for name, value in _assigned(node):
                found.setdefault(name, value)
        return found

    def value(self, name: str, node: ast.AST) -> ast.expr | None:
        """What a name stands for where a node uses it: in its function, or else in the module. None if unknown."""
        for scope in self.above(node):
            if isinstance(scope, FUNCTIONS):
                if name in self._scoped.get(scope, {}):
                    return self._scoped[scope][name]
                if name in {each.arg for each in ast.walk(scope.args) if isinstance(each, ast.arg)}:
                    return None
        return self._scoped.get(self.tree, {}).get(name)

    @cached_property
    def _scoped(self) -> dict[ast.AST, dict[str, ast.expr]]:
        """The first value of each name, by the function that assigns it; by the module for those of classes too."""
        found: dict[ast.AST, dict[str, ast.expr]] = {}
        for node in self.nodes:
            for name, value in _assigned(node):
                scope = next((each for each in self.above(node) if isinstance(each, FUNCTIONS)), self.tree)
                found.setdefault(scope, {}).setdefault(name, value)
        return found

    def dotted(self, node: ast.AST) -> str:
        """The full name of what a name or attribute stands for, such as `os.environ.get`; empty for other expressions.

        What is assigned in the module has its name in front.
        """
        rest, links = "", 0
        while isinstance(node, ast.Attribute | ast.Call):
            links += 1
            if links > LONGEST_CHAIN:
                return ""
            rest = f".{node.attr}{rest}" if isinstance(node, ast.Attribute) else f"(){rest}"
            node = node.value if isinstance(node, ast.Attribute) else node.func
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self.imports:
            return f"{self.imports[node.id]}{rest}"
        return f"{self.name}.{node.id}{rest}" if node.id in self.values else f"{node.id}{rest}"


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement assigns, with their value."""
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, WITHOUT_MEANING):
            continue
        if isinstance(child, ast.If) and is_main_guard(child):
            yield from child.orelse
        elif not (isinstance(child, FUNCTIONS) and _is_command(child)):
            yield child


def _is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a command line runs it: `@click.command()`, `@app.cli.command("init-db")`."""
    for each in function.decorator_list:
        decorator = each.func if isinstance(each, ast.Call) else each
        if isinstance(decorator, ast.Attribute) and decorator.attr in ("command", "group"):
            return True
    return False


def is_main_guard(node: ast.If) -> bool:
    """Whether this is `if __name__ == "__main__":`, whichever way round."""
    return (
        isinstance(node.test, ast.Compare)
        and isinstance(node.test.ops[0], ast.Eq)
        and {source_of(each) for each in (node.test.left, *node.test.comparators)} == {"__name__", "'__main__'"}
    )


def argument(call: ast.Call, position: int, *names: str) -> ast.expr | None:
    """What is passed at a position or by one of the names."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    positional = call.args[position : position + 1] if position >= 0 else []
    return positional[0] if positional and not isinstance(positional[0], ast.Starred) else None


def text_of(node: ast.AST | None) -> str | None:
    """The text of a literal; None if it is something else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def source_of(node: ast.AST) -> str:
    """The source of a node; empty if it is nested too deeply, as only made code is."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def is_configuration(node: ast.AST) -> bool:
    """Whether an expression is likely Flask's configuration: `app.config`, `current_app.config`."""
    return isinstance(node, ast.Attribute) and node.attr in ("config", "conf", "cfg")
