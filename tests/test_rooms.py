"""The rooms of nodrop import each other in one direction, so that each can be read without those further down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nodrop
from tests.serving_process import ROOT

ENTRY = "__main__"
"""The command line. It imports what it runs, and nothing imports it."""


def listed() -> list[str]:
    """The rooms in the order of the package's docstring."""
    return re.findall(r"^(\w+)  +\S", str(nodrop.__doc__), re.MULTILINE)


def imported(tree: ast.AST) -> Iterator[str]:
    """What is imported when a module is, by its dotted name: not inside of functions, nor for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their modules in full"
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (name for other in node.orelse for name in imported(ast.Module([other], [])))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported(node)


def edges() -> dict[tuple[str, str], list[str]]:
    """Which room imports which other, and the files that do."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((ROOT / "nodrop").rglob("*.py")):
        inner = path.relative_to(ROOT / "nodrop")
        room = Path(inner.parts[0]).stem
        for name in imported(ast.parse(path.read_text())):
            package, *rest = name.split(".")
            if package == "nodrop" and rest and rest[0] not in (room, "__version__"):
                found.setdefault((room, rest[0]), []).append(str(inner))
    return found


def test_every_room_is_in_the_list() -> None:
    folders = {path.parent.name for path in (ROOT / "nodrop").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "nodrop").glob("*.py")} - {"__init__", ENTRY}
    assert sorted(listed()) == sorted(folders | modules)


def test_a_room_imports_only_from_those_above_it() -> None:
    order = {room: number for number, room in enumerate([*listed(), ENTRY])}
    assert {edge: files for edge, files in edges().items() if order[edge[1]] >= order[edge[0]]} == {}


def test_imports_of_every_form_count_and_none_that_are_made_later() -> None:
    source = """
from typing import TYPE_CHECKING
import nodrop.one.a
from nodrop.two import b
if TYPE_CHECKING:
    from nodrop.no import c
else:
    from nodrop.three import d
try:
    from nodrop.four.e import F
finally:
    pass
class Of:
    from nodrop.five import g
def later():
    from nodrop.no import h
"""
    names = [name for name in imported(ast.parse(source)) if name.startswith("nodrop.")]
    assert [name.split(".")[1] for name in names] == ["one", "two", "three", "four", "five"]
