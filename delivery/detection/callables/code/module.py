"""One Python module: what it imports, and what is bound at its top level."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from delivery.detection.callables.code.statements import at_import, everywhere
from delivery.detection.repository import File

Bindings = dict[str, list[ast.AST]]
"""What each name is bound to, in order: an expression, a function, a class, or an import."""


@dataclass(frozen=True, eq=False)
class Module:
    """A module by its import name below its root."""

    name: str
    file: File
    tree: ast.Module
    neighbours: frozenset[str] = frozenset()
    """The modules of its own folder that it imports by their bare names, as a script does."""

    @property
    def is_package(self) -> bool:
        """Whether it is an __init__.py."""
        return self.file.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The package that it lies in: itself if it is an __init__.py; "" if it lies in none."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def last_name(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """All of its statements, those of its functions too."""
        return list(everywhere(self.tree))

    @cached_property
    def top_level(self) -> list[ast.stmt]:
        """Those that run when it is imported."""
        return list(at_import(self.tree))

    @cached_property
    def bindings(self) -> Bindings:
        """What its names are bound to when it is imported."""
        return bindings(self.top_level)

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Its functions at the top level."""
        return {node.name: node for node in self.top_level if isinstance(node, ast.FunctionDef)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """The full names that names of this module stand for, those of its functions too: `F` -> `flask.Flask`."""
        found: dict[str, str] = {}
        for node in self.statements:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    if alias.asname:
                        found[alias.asname] = self._full(alias.name)
                    else:
                        found.setdefault(first, self._full(first))
            elif isinstance(node, ast.ImportFrom):
                source = self.source(node)
                for alias in node.names:
                    if alias.name != "*":
                        found[alias.asname or alias.name] = f"{source}.{alias.name}"
        return found

    @cached_property
    def stars(self) -> list[str]:
        """The modules of which everything is imported."""
        nodes = [node for node in self.statements if isinstance(node, ast.ImportFrom)]
        return [self.source(node) for node in nodes if any(alias.name == "*" for alias in node.names)]

    def source(self, node: ast.ImportFrom) -> str:
        """The module that is imported from, with the dots of a relative import replaced."""
        if not node.level:
            return self._full(node.module or "")
        package = self.package.split(".") if self.package else []
        package = package[: len(package) - (node.level - 1)]
        return ".".join([*package, *([node.module] if node.module else [])])

    def _full(self, name: str) -> str:
        return f"{self.package}.{name}" if name.partition(".")[0] in self.neighbours else name

    @cached_property
    def assigning(self) -> dict[str, list[ast.FunctionDef]]:
        """The functions that assign a global, by its name."""
        found: dict[str, list[ast.FunctionDef]] = {}
        for function in self.statements:
            if isinstance(function, ast.FunctionDef):
                for node in everywhere(function):
                    if isinstance(node, ast.Global):
                        for name in node.names:
                            found.setdefault(name, []).append(function)
        return found

    def line_of(self, name: str) -> int:
        """Where the name is bound last; 1 if that can't be told."""
        return getattr(self.bindings.get(name, [None])[-1], "lineno", 1)


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """The names that are assigned. Of `app, db = make()`, `app` is bound to `make()[0]`."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple):
            for position, element in enumerate(target.elts):
                if isinstance(element, ast.Name):
                    taken = ast.Subscript(node.value, ast.Constant(position), ast.Load())
                    yield element.id, ast.fix_missing_locations(ast.copy_location(taken, node.value))


def bindings(statements: Iterable[ast.stmt]) -> Bindings:
    """What names are bound to by these statements."""
    found: Bindings = {}
    for node in statements:
        if isinstance(node, ast.Assign):
            for name, value in _assigned(node):
                found.setdefault(name, []).append(value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                found.setdefault(alias.asname or alias.name.partition(".")[0], []).append(node)
    return found
