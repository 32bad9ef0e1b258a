"""The modules that an application imports, from what is served on.

A module that nothing imports is likely a script or another program, so what it needs is not what the application needs.
Names in texts count as imports too: `from_object("shop.config")`, INSTALLED_APPS.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from delivery.detection.code.modules import Module, text_of
from delivery.detection.description import Served
from delivery.detection.repository import File, Repository

DYNAMIC = ("import_module", "__import__", "iter_modules", "walk_packages", "find_modules", "import_submodules")
"""Functions that import modules whose names the source doesn't have: all of the package count."""
BY_NAME = ("from_object", "import_string", "import_module", "include", "config_from_object", "setdefault")
"""Functions that take the name of a module, which may be one word."""
SESSIONS = ("flask.session", "flask.flash", "flask_login.LoginManager", "flask_wtf.FlaskForm", "flask_wtf.CSRFProtect",
            "flask_wtf.csrf.CSRFProtect")  # fmt: skip
"""What signs something with SECRET_KEY."""
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass
class Application:
    """The code of what is served."""

    repository: Repository
    served: Served

    @cached_property
    def index(self) -> dict[str, File]:
        """The repository's modules by the names they can be imported by. Those below the served root come first."""
        found: dict[str, File] = {}
        roots = [self.served.root, "."] if self.served.root != "." else ["."]
        for root in roots:
            for file in self.repository.files.values():
                if file.path.suffix == ".py" and file.path.is_relative_to(root):
                    found.setdefault(_name(file.path.relative_to(root), self._prefix if root == "." else ""), file)
        return found

    @cached_property
    def _prefix(self) -> str:
        """The name of the package that the repository is itself, if it is one."""
        return self.repository.folder.name if "__init__.py" in self.repository.files else ""

    @cached_property
    def modules(self) -> list[Module]:
        """What is imported, what is served first. If that isn't found, all but tests and examples."""
        entry = self.served.reference.partition(":")[0]
        prefixed = f"{self._prefix}.{entry}"
        names = [each for each in (entry, prefixed) if each in self.index]
        if not names:
            return [each for name in self.index if not self.index[name].beside and (each := self.module(name))]
        return self.reached(*names)

    def reached(self, *names: str) -> list[Module]:
        """The modules of these names, and all that they import."""
        seen: dict[str, Module] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            module = self.module(name) if name not in seen else None
            if module:
                seen[name] = module
                waiting += [each for each in dict.fromkeys(self._imported(module)) if each in self.index]
        return list({module.file.path: module for module in seen.values()}.values())

    def naming(self, word: str) -> list[Module]:
        """The modules with a word in their text, also those that only another process than the server imports."""
        found = {
            file.path: module
            for name, file in self.index.items()
            if not file.beside
            and file.path.name != "setup.py"
            and word in file.text()
            and (module := self.module(name))
        }
        return list(found.values())

    def module(self, name: str) -> Module | None:
        """A module of the repository, parsed once; None if it can't be."""
        if name not in self._parsed:
            file = self.index.get(name)
            tree = self.repository.parse(file) if file else None
            self._parsed[name] = Module(name, file, tree) if file and tree else None
        return self._parsed[name]

    @cached_property
    def _parsed(self) -> dict[str, Module | None]:
        return {}

    def _imported(self, module: Module) -> Iterator[str]:
        for node in module.nodes:
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = module.base_of(node)
                names = [base, *(f"{base}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
                names = [node.value, node.value.rpartition(".")[0]]
            elif isinstance(node, ast.Call):
                names = list(self._by_name(module, node))
            for name in names:
                yield from self._with_packages(name, module)

    def _by_name(self, module: Module, call: ast.Call) -> Iterator[str]:
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [text for each in call.args if (text := text_of(each))]
        if called in BY_NAME:
            yield from (each.partition(":")[0] for each in given)
        if called in DYNAMIC and not given:
            package = f"{module.package}." if module.package else ""
            yield from (each for each in self.index if each.startswith(package) and not self.index[each].beside)

    def _with_packages(self, name: str, module: Module) -> Iterator[str]:
        """The module and the packages above it, also as found beside the importing module, as scripts import."""
        beside = f"{module.package}.{name}" if module.package and name not in self.index else name
        for each in dict.fromkeys((name, beside)):
            parts = each.split(".")
            yield from (".".join(parts[:length]) for length in range(len(parts), 0, -1))

    def calls(self, *names: str) -> Iterator[tuple[Module, ast.Call]]:
        """The calls of functions by their full names, such as `flask.Blueprint`."""
        for module in self.modules:
            for call in module.calls:
                if self.meaning(module, call.func) in names:
                    yield module, call

    @property
    def uses_of_sessions(self) -> Iterator[tuple[Module, ast.AST]]:
        """Where something is imported and used that needs a session."""
        for module in self.modules:
            names = {name for name, meaning in module.imports.items() if meaning in SESSIONS}
            for node in module.nodes if names else ():
                if isinstance(node, ast.Name) and node.id in names:
                    yield module, node
                    break

    def meaning(self, module: Module, node: ast.AST) -> str:
        """The full name of what an expression stands for, through assignments of other modules: `celery.Celery()`."""
        name = module.dotted(node)
        for _ in range(8):
            found = self._assigned(name)
            if not found:
                break
            name = found
        return name

    def text(self, module: Module, node: ast.AST | None) -> str | None:
        """The text of a literal, or of a name for one, also of another module; None if it is something else."""
        value: ast.AST | None = node
        if isinstance(node, ast.Name) and node.id not in module.imports:
            value = module.value(node.id, node)
        elif isinstance(node, ast.Name | ast.Attribute):
            owner, _, last = module.dotted(node).rpartition(".")
            other = self.module(owner) if owner in self.index else None
            value = other.values.get(last) if other else None
        return text_of(value)

    def _assigned(self, name: str) -> str:
        """What a name of the repository's modules was assigned, or imported as; empty if it is none."""
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = self._parsed.get(".".join(parts[:length]))
            if not module:
                continue
            first, rest = parts[length], "".join(f".{each}" for each in parts[length + 1 :])
            bare = first.removesuffix("()")
            call = first[len(bare) :]
            if bare in module.imports:
                return module.imports[bare] + call + rest
            value = module.values.get(bare)
            meant = module.dotted(value) if value is not None else ""
            return meant + call + rest if meant and meant != f"{module.name}.{bare}" else ""
        return ""


def _name(path: PurePosixPath, prefix: str) -> str:
    parts = [*([prefix] if prefix else []), *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
