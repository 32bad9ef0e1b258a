"""setup.py and setup.cfg, read without running them."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator

from delivery.detection.dependencies import requirement_files
from delivery.detection.dependencies.declarations import Declarations, Line
from delivery.detection.repository import Repository


def read(repository: Repository, extras: tuple[str, ...] = ()) -> Declarations:
    """What both declare. dynamic is set where setup.py computes it."""
    found = Declarations()
    options = cfg(repository)
    if options.has_section("options"):
        found.files.append("setup.cfg")
        found.add(_listed(repository, options.get("options", "install_requires", fallback=""), "setup.cfg"))
        for extra in extras:
            wanted = options.get("options.extras_require", extra, fallback="")
            found.add(_listed(repository, wanted, f"setup.cfg [options.extras_require] {extra}"))
    setup = Setup(repository)
    if setup.call is not None:
        found.files.append("setup.py")
        found.add(setup.requires())
        for extra in extras:
            found.add(setup.extra(extra))
    return found


def cfg(repository: Repository) -> configparser.ConfigParser:
    """setup.cfg; empty where there is none, or none that can be read."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    for file in repository.named("setup.cfg"):
        try:
            parser.read_string(file.text())
        except configparser.Error as error:
            repository.unreadable["setup.cfg"] = str(error)
    return parser


def _listed(repository: Repository, value: str, place: str) -> Declarations:
    """A list of setup.cfg, or the files that it names."""
    found = Declarations()
    if value.strip().startswith("file:"):
        for name in value.strip().removeprefix("file:").replace(",", "\n").split():
            found.add(requirement_files.read(repository, name))
        return found
    lines = [line.partition(" #")[0].strip() for line in value.splitlines()]
    found.requirements = [Line(line, place) for line in lines if line and not line.startswith("#")]
    return found


class Setup:
    """The call of setup() in setup.py."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.call: ast.Call | None = None
        self.assigned: dict[str, ast.expr] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.changed: set[str] = set()
        """Names whose list is not all that is written where it is assigned."""
        for file in repository.named("setup.py"):
            tree = repository.parse(file)
            for node in ast.walk(tree) if tree else ():
                self._take(node)

    def _take(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            self.assigned |= {each.id: node.value for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            self.assigned[node.optional_vars.id] = node.context_expr
        elif isinstance(node, ast.FunctionDef):
            self.functions[node.name] = node
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.changed.add(node.target.id)
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in ("setup", "setuptools.setup", "core.setup"):
                self.call = node
            elif re.fullmatch(r"\w+\.(append|extend|insert|remove)", ast.unparse(node.func)):
                self.changed.add(ast.unparse(node.func).partition(".")[0])

    def keyword(self, name: str) -> ast.expr | None:
        """The value of an argument, with a name replaced by what was assigned to it."""
        for keyword in self.call.keywords if self.call else ():
            if keyword.arg == name:
                return self._resolved(keyword.value)
            if keyword.arg is None and isinstance(table := self._resolved(keyword.value), ast.Dict):
                for key, value in zip(table.keys, table.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == name:
                        return self._resolved(value)
        return None

    def _resolved(self, node: ast.expr) -> ast.expr:
        for _ in range(5):
            if not (isinstance(node, ast.Name) and node.id in self.assigned) or node.id in self.changed:
                break
            node = self.assigned[node.id]
        return node

    def requires(self) -> Declarations:
        """install_requires."""
        return self._declared(self.keyword("install_requires"))

    def extra(self, name: str) -> Declarations:
        """An extra of extras_require."""
        table = self.keyword("extras_require")
        if isinstance(table, ast.Dict):
            for key, value in zip(table.keys, table.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    return self._declared(self._resolved(value))
        return Declarations(dynamic="setup.py")

    def _declared(self, node: ast.expr | None) -> Declarations:
        if node is None:
            return Declarations()
        place = f"setup.py:{node.lineno}"
        try:
            return Declarations([Line(text, place) for text in self._strings(node)])
        except _Computed:
            pass
        named = sorted({text for text in self._constants(node) if text.endswith((".txt", ".in"))})
        named = [name for name in named if name in self.repository.files]
        found = Declarations(dynamic="" if named else place)
        for name in named:
            found.add(requirement_files.read(self.repository, name))
        return found

    def _strings(self, node: ast.expr) -> Iterator[str]:
        """Those of a list that is written out. Raises _Computed."""
        node = self._resolved(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (line.strip() for line in node.value.splitlines() if line.strip())
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            for each in node.elts:
                yield from self._strings(each)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self._strings(node.left)
            yield from self._strings(node.right)
        else:
            raise _Computed

    def _constants(self, node: ast.AST, depth: int = 0) -> Iterator[str]:
        """All strings that a value is computed from, through names and functions of the file."""
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield each.value
            elif isinstance(each, ast.Name) and depth < 3:
                inner = self.assigned.get(each.id) or self.functions.get(each.id)
                yield from self._constants(inner, depth + 1) if inner else ()


class _Computed(Exception):
    """The value is not written out."""
