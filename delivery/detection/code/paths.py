"""The path that an expression stands for, as far as the source tells it: `os.path.join(BASE, "uploads")`.

A relative path starts at the repository, which is the working directory of the image.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.code.modules import Module, argument, is_configuration, text_of

DEEPEST = 25
"""Names that are followed. More is a circle."""


@dataclass(frozen=True)
class Known:
    """The beginning of a path. whole: nothing unknown follows."""

    path: str
    whole: bool = True

    def joined(self, other: Known | None) -> Known:
        """This path and what follows it."""
        if other is None or not self.whole:
            return Known(self.path, whole=False)
        return Known(posixpath.join(self.path, other.path), other.whole)

    def begun(self) -> Known | None:
        """The folder of a name of which only the beginning is known; None if that isn't known either."""
        folder = self.path.rpartition("/")[0]
        return Known(folder, whole=False) if folder else None

    def parent(self, levels: int = 1) -> Known:
        """The folder that many levels up."""
        path = posixpath.normpath(self.path)
        for _ in range(levels):
            path = posixpath.join(path, "..") if path in ("", ".") or path.endswith("..") else posixpath.dirname(path)
        return Known(path or ".", self.whole)


SAME = ("abspath", "realpath", "normpath", "resolve", "absolute", "expanduser", "str", "fspath", "Path", "PurePath",
        "as_posix", "PosixPath", "safe_join", "strip", "rstrip")  # fmt: skip
"""Functions and methods whose result is what they are given."""

FIXED = {"getcwd": ".", "cwd": ".", "gettempdir": "/tmp", "mkdtemp": "/tmp", "home": "~"}
"""Functions whose result is the same in every pod."""


class Paths:
    """Reads paths in the code of an application, with what its configuration holds."""

    def __init__(self, application: Application, configured: Configured) -> None:
        self.application = application
        self.configured = configured
        self._read: set[ast.AST] = set()

    def of(self, module: Module, node: ast.AST | None, depth: int = 0) -> Known | None:
        """The path of an expression; None if not even its folder is known."""
        # What is being read already is defined by itself.
        if node is None or depth > DEEPEST or node in self._read:
            return None
        self._read.add(node)
        try:
            return self._of(module, node, depth)
        finally:
            self._read.discard(node)

    def _of(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        read: dict[type, Callable[[Module, ast.AST, int], Known | None]] = {
            ast.Constant: self._constant,
            ast.JoinedStr: self._formatted,
            ast.BinOp: self._operator,
            ast.BoolOp: self._either,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.Call: self._call,
        }
        reader = read.get(type(node))
        return reader(module, node, depth + 1) if reader else None

    def _constant(self, module: Module, node: ast.AST, depth: int) -> Known | None:  # noqa: ARG002 - one signature
        text = text_of(node)
        return Known(text) if text is not None else None

    def _formatted(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        assert isinstance(node, ast.JoinedStr)
        found = Known("")
        for part in node.values:
            one = self.of(module, part.value if isinstance(part, ast.FormattedValue) else part, depth)
            if one is None:
                return found.begun()
            found = Known(found.path + one.path, one.whole)
        return found

    def _operator(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        assert isinstance(node, ast.BinOp)
        left, right = self.of(module, node.left, depth), self.of(module, node.right, depth)
        if left is None or not isinstance(node.op, ast.Div | ast.Add | ast.Mod):
            return None
        if isinstance(node.op, ast.Div):
            return left.joined(right)
        if isinstance(node.op, ast.Mod):
            return Known(left.path.partition("%")[0]).begun()
        return Known(left.path + right.path, right.whole) if right else left.begun()

    def _either(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        """`given or default`: the last one."""
        assert isinstance(node, ast.BoolOp)
        return self.of(module, node.values[-1], depth)

    def _name(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        assert isinstance(node, ast.Name)
        if node.id == "__file__":
            return Known(str(module.file.path))
        value = module.value(node.id, node)
        if value is not None:
            return self.of(module, value, depth)
        return self._elsewhere(module.imports.get(node.id, ""), depth)

    def _elsewhere(self, name: str, depth: int) -> Known | None:
        """The value of a name of another module."""
        parts = name.rpartition(".")
        other = self.application.module(parts[0]) if parts[0] in self.application.index else None
        return self.of(other, other.values[parts[2]], depth) if other and parts[2] in other.values else None

    def _attribute(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        assert isinstance(node, ast.Attribute)
        if node.attr == "parent":
            base = self.of(module, node.value, depth)
            return base.parent() if base else None
        if node.attr == "instance_path":
            return Known(self.instance_folder())
        if node.attr == "root_path":
            return Known(str(module.file.path.parent))
        if node.attr in ("name", "stem", "suffix"):
            return None
        found = self._elsewhere(module.dotted(node), depth)
        if found is None and (value := self.configured.value(node.attr)):
            return self.of(*value, depth)
        return found

    def _subscript(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        """A key of the configuration, or one of the parents of a path."""
        assert isinstance(node, ast.Subscript)
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
            base = self.of(module, node.value.value, depth)
            level = node.slice.value if isinstance(node.slice, ast.Constant) else None
            return base.parent(level + 1) if base and isinstance(level, int) else None
        key = text_of(node.slice)
        value = self.configured.value(key) if key and is_configuration(node.value) else None
        return self.of(*value, depth) if value else None

    def _call(self, module: Module, node: ast.AST, depth: int) -> Known | None:
        assert isinstance(node, ast.Call)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = module.dotted(node.func)
        if called in FIXED:
            return Known(FIXED[called])
        if name in ("os.getenv", "os.environ.get") or (called == "get" and owner and is_configuration(owner)):
            return self._default(module, node, depth)
        if called in ("join", "joinpath"):
            parts = node.args if name.endswith("path.join") or not owner else [owner, *node.args]
            return self._joined(module, parts, depth)
        given = owner if owner and not node.args else argument(node, 0)
        if called == "dirname":
            base = self.of(module, given, depth)
            return base.parent() if base else None
        return self.of(module, given, depth) if called in SAME or called.endswith("Path") else None

    def _default(self, module: Module, call: ast.Call, depth: int) -> Known | None:
        """What `os.environ.get("NAME", default)` or `app.config.get("NAME", default)` gives if nobody sets it."""
        key = text_of(argument(call, 0))
        if key == "HOME":
            return Known("~")
        if key and isinstance(call.func, ast.Attribute) and is_configuration(call.func.value):
            value = self.configured.value(key)
            # A configuration of another kind takes a section and a key.
            return (
                self.of(*value, depth)
                if value
                else self.of(module, argument(call, 1), depth)
                if key.isupper()
                else None
            )
        return self.of(module, argument(call, 1, "default"), depth)

    def _joined(self, module: Module, parts: list[ast.expr], depth: int) -> Known | None:
        found = self.of(module, parts[0], depth) if parts else None
        for part in parts[1:]:
            if found is None:
                return None
            found = found.joined(self.of(module, part, depth))
        return found

    def instance_folder(self) -> str:
        """Flask's: beside a package, and beside the file of a module."""
        root = self.application.served.root
        return posixpath.normpath(posixpath.join(root, "instance"))

    def relative(self, known: Known) -> str:
        """The path as a description has it; empty if it lies above the repository."""
        path = posixpath.normpath(known.path) if known.path else "."
        return "" if path.startswith("..") else path


def is_temporary(path: str) -> bool:
    """Whether a path can be written to in the pod and is meant to be lost."""
    return any(PurePosixPath(path).is_relative_to(each) for each in ("/tmp", "/dev"))
