"""The modules below one root of a repository, each read when it is first asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from delivery.detection.callables.code.kinds import LIBRARIES
from delivery.detection.callables.code.module import Module
from delivery.detection.repository import File, Repository

DEPTH = 12
"""How many steps a name is followed. Longer ways were never seen, and circles are left by it."""
PARENT = PurePosixPath("..")
"""The root of a repository that is itself a package."""


class Modules:
    """The modules of one root. root: relative, `.` for the repository, `..` where the repository is a package."""

    def __init__(self, repository: Repository, root: PurePosixPath, files: Iterable[File]) -> None:
        self.repository, self.root = repository, root
        self.files: dict[str, File] = {}
        self._read: dict[str, Module | None] = {}
        for file in files:
            if name := self._name(file.path):
                self.files.setdefault(name, file)

    def _name(self, path: PurePosixPath) -> str:
        """The import name of a module; "" if it has none."""
        if self.root == PARENT:
            path = PurePosixPath(self.repository.folder.name) / path
        elif path.is_relative_to(self.root):
            path = path.relative_to(self.root)
        else:
            return ""
        parts = list(path.with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""

    def get(self, name: str) -> Module | None:
        """The module of this name, or None if the repository has none or it can't be parsed."""
        if name not in self._read:
            file = self.files.get(name)
            tree = self.repository.parse(file) if file else None
            self._read[name] = self._module(name, file, tree) if file and tree else None
        return self._read[name]

    def _module(self, name: str, file: File, tree: ast.Module) -> Module:
        module = Module(name, file, tree)
        return replace(module, neighbours=self._neighbours(module))

    def _neighbours(self, module: Module) -> frozenset[str]:
        """The modules of its own folder that it imports by bare names, which the root's folder does not have.

        A module that also names its package is no script: what it imports by a bare name is installed, and of the same
        name by chance.
        """
        package = module.package
        if not package or any(each.partition(".")[0] == package.partition(".")[0] for each in module.imports.values()):
            return frozenset()
        nodes = [node for node in module.statements if isinstance(node, (ast.Import, ast.ImportFrom))]
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        first = {name.partition(".")[0] for name in imported} - LIBRARIES
        return frozenset(each for each in first if f"{package}.{each}" in self.files and each not in self.files)

    def resolve(self, full: str) -> tuple[Module, str] | None:
        """The module of this repository and the name in it that the full name stands for; a module has the name ""."""
        if module := self.get(full):
            return module, ""
        parent, _, name = full.rpartition(".")
        if module := self.get(parent):
            return module, name
        return None

    def full_name(self, module: Module, node: ast.AST) -> str:
        """The full name of what an expression refers to, as far as imports tell; "" if it is no plain name.

        `().name` stands for a method of what a call returns.
        """
        if isinstance(node, ast.Name):
            if node.id in module.imports:
                return module.imports[node.id]
            return f"{module.name}.{node.id}" if node.id in module.bindings else node.id
        if isinstance(node, ast.Attribute):
            call = isinstance(node.value, ast.Call)
            inner = self.full_name(module, node.value.func if isinstance(node.value, ast.Call) else node.value)
            return f"{inner}{'()' if call else ''}.{node.attr}" if inner else ""
        return ""

    def definition(
        self, module: Module, name: str, depth: int = DEPTH
    ) -> tuple[Module, ast.ClassDef | ast.FunctionDef] | None:
        """The class or function of this name, followed through imports."""
        if depth <= 0:
            return None
        for node in reversed(module.bindings.get(name, [])):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                return module, node
            if isinstance(node, ast.ImportFrom):
                target = self.resolve(module.imports.get(name, ""))
                if target and target[1] and (target[0].name, target[1]) != (module.name, name):
                    return self.definition(*target, depth - 1)
        for source in module.stars:
            other = self.get(source)
            if other and source != module.name and (found := self.definition(other, name, depth - 1)):
                return found
        return None

    def function(self, module: Module, node: ast.AST) -> tuple[Module, ast.FunctionDef] | None:
        """The function of this repository that an expression refers to."""
        target = self.resolve(self.full_name(module, node))
        found = self.definition(*target) if target and target[1] else None
        return (found[0], found[1]) if found and isinstance(found[1], ast.FunctionDef) else None

    def imported_by(self, module: Module) -> set[str]:
        """The modules of the repository that are imported when this one is, itself and its packages among them."""
        seen: set[str] = set()
        waiting = [module.name]
        while waiting:
            name = waiting.pop()
            here = None if name in seen else self.get(name)
            if here is None:
                continue
            seen.add(name)
            if "." in name:
                waiting.append(name.rpartition(".")[0])
            for node in here.top_level:
                if isinstance(node, ast.Import):
                    waiting += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    source = here.source(node)
                    waiting += [source, *(f"{source}.{alias.name}" for alias in node.names)]
        return seen
