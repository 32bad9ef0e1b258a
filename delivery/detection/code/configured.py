"""What the source puts into the configuration: `app.config["KEY"] = value`, `KEY = value` in a module or a class."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property

from delivery.detection.code.application import Application
from delivery.detection.code.modules import Module, is_configuration, source_of, text_of

Value = tuple[Module, ast.expr]
FROM_OUTSIDE = ("from_pyfile", "from_envvar", "from_prefixed_env", "from_file", "from_json", "from_toml")
_TESTS = re.compile(r"test", re.IGNORECASE)
_DEVELOPMENT = re.compile(r"dev|debug|local", re.IGNORECASE)


class Configured:
    """The values of all keys, those of production first."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def value(self, key: str) -> Value | None:
        """The first value of a key; None if the source has none."""
        found = self.values.get(key)
        return found[0] if found else None

    @cached_property
    def is_read_from_outside(self) -> bool:
        """Whether some of it is read from files or variables that the repository needn't have."""
        modules = self.application.modules
        return any(_reads_outside(self.application, module, call) for module in modules for call in module.calls)

    @cached_property
    def values(self) -> dict[str, list[Value]]:
        """All values of each key, but not those of tests, nor of development where production has its own."""
        found: dict[str, list[tuple[bool, Value]]] = {}
        for module in self.application.modules:
            for key, value in _assigned(module):
                names = [each.name for each in module.above(value) if isinstance(each, ast.ClassDef)]
                if any(_TESTS.search(each) for each in names) or _TESTS.fullmatch(module.name.rpartition(".")[2]):
                    continue
                development = any(_DEVELOPMENT.search(each) for each in names)
                found.setdefault(key, []).append((development, (module, value)))
        return {
            key: [value for development, value in values if not development] or [value for _, value in values]
            for key, values in found.items()
        }


def _assigned(module: Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if key := _key(target):
                    yield key, node.value
        elif isinstance(node, ast.AnnAssign) and node.value and (key := _key(node.target)):
            yield key, node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _passed(node, node.func.attr)


def _passed(call: ast.Call, method: str) -> Iterator[tuple[str, ast.expr]]:
    """The keys of calls such as `config.from_mapping(KEY=value)` and `config.update({"KEY": value})`."""
    if method in ("from_mapping", "update"):
        yield from ((each.arg, each.value) for each in call.keywords if each.arg and each.arg.isupper())
        for given in call.args:
            if isinstance(given, ast.Dict):
                for name, value in zip(given.keys, given.values, strict=True):
                    key = text_of(name)
                    if key and key.isupper():
                        yield key, value
    elif method == "setdefault" and len(call.args) == 2 and isinstance(call.func, ast.Attribute):
        key = text_of(call.args[0])
        if key and key.isupper() and not source_of(call.func.value).endswith("environ"):
            yield key, call.args[1]


def _key(target: ast.expr) -> str:
    """The key that an assignment sets; empty if it is none."""
    if isinstance(target, ast.Name) and target.id.isupper():
        return target.id
    if isinstance(target, ast.Attribute) and target.attr == "secret_key":
        return "SECRET_KEY"
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute | ast.Name):
        name = target.value.attr if isinstance(target.value, ast.Attribute) else target.value.id
        key = text_of(target.slice)
        return key if key and key.isupper() and name in ("config", "conf", "cfg", "settings") else ""
    return ""


def _reads_outside(application: Application, module: Module, call: ast.Call) -> bool:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method == "from_object":
        return not all(_is_own(application, module, each) for each in call.args)
    if (
        method in ("update", "from_mapping")
        and isinstance(call.func, ast.Attribute)
        and is_configuration(call.func.value)
    ):
        return not all(isinstance(each, ast.Dict) for each in call.args) or any(
            each.arg is None for each in call.keywords
        )
    return method in FROM_OUTSIDE


def _is_own(application: Application, module: Module, node: ast.expr) -> bool:
    """Whether what from_object() takes is a module or a class of the repository."""
    name = text_of(node)
    if name is None:
        root = node
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        if isinstance(root, ast.Name) and any(
            isinstance(each, ast.ClassDef) and each.name == root.id for each in module.nodes
        ):
            return True
        name = module.dotted(node).removesuffix("()")
    return name in application.index or name.rpartition(".")[0] in application.index
