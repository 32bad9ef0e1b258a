"""Databases that are files: the calls that open one, and the environment variable that gives another in its place."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from delivery.detection.code.modules import Module, argument, source_of, text_of
from delivery.detection.code.paths import Known, Paths

DATABASE, OTHER, INDEX = "SQLite database", "database file", "search index"
"""Kinds of what is written to. Another database server may take the place of SQLite, but not of the others."""
OPENERS = {
    "sqlite3.connect": DATABASE, "aiosqlite.connect": DATABASE, "apsw.Connection": DATABASE,
    "sqlitedict.SqliteDict": OTHER, "shelve.open": OTHER, "dbm.open": OTHER, "dbm.gnu.open": OTHER,
    "dbm.ndbm.open": OTHER, "dbm.dumb.open": OTHER, "tinydb.TinyDB": OTHER, "duckdb.connect": OTHER,
    "pickledb.load": OTHER, "whoosh.index.create_in": INDEX, "whoosh.index.open_dir": INDEX,
    "whoosh.filedb.filestore.FileStorage": INDEX,
}  # fmt: skip
PEEWEE = ("SqliteDatabase", "SqliteExtDatabase", "CSqliteExtDatabase", "APSWDatabase", "SqlCipherDatabase",
          "SqliteQueueDatabase", "PooledSqliteDatabase", "PooledSqliteExtDatabase", "CySqliteDatabase")  # fmt: skip
DJANGO = ("sqlite3", "spatialite")
"""What the names of Django's engines end with."""


def opened(module: Module, call: ast.Call) -> tuple[ast.expr, str] | None:
    """The path that a call opens as a database, and the kind; None if it opens none, or only reads it."""
    name = module.dotted(call.func)
    what = OPENERS.get(name) or (DATABASE if name.rpartition(".")[2] in PEEWEE else "")
    target = argument(call, 0, "filename", "file", "name", "path", "database", "location", "dirname", "indexdir")
    if not what or target is None or text_of(target) == ":memory:":
        return None
    is_read = name.startswith(("shelve.", "dbm.")) and text_of(argument(call, 1, "flag")) == "r"
    return None if is_read else (target, what)


def pony_file(module: Module, call: ast.Call, paths: Paths) -> Known | None:
    """The file of Pony's `db.bind("sqlite", "shop.sqlite")`, which is relative to the module; None for another call."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "bind":
        return None
    if text_of(argument(call, 0, "provider")) != "sqlite":
        return None
    known = paths.of(module, argument(call, 1, "filename"))
    return Known(str(module.file.path.parent)).joined(known) if known and known.path != ":memory:" else None


def django_file(module: Module, table: ast.Dict, paths: Paths) -> Known | None:
    """The file of an entry of Django's DATABASES; None for a table of another kind."""
    values = {text_of(key): value for key, value in zip(table.keys, table.values, strict=True) if key}
    engine = paths.of(module, values.get("ENGINE"))
    if engine is None or not engine.path.endswith(DJANGO) or values.get("NAME") is None:
        return None
    known = paths.of(module, values["NAME"])
    return known if known and ":memory:" not in known.path else None


def setting_of(module: Module, address: ast.AST, settings: Collection[str]) -> str:
    """The variable in whose place a database's address stands, as `os.environ.get(NAME, address)`; empty for none.

    settings: the names of those that the application reads.
    """
    if name := _around(module, address, settings):
        return name
    assigned = next((each for each in module.above(address) if isinstance(each, ast.Assign)), None)
    if assigned is None or assigned.value is not address:
        return ""
    targets = {source_of(each) for each in assigned.targets}
    for node in module.nodes:
        if isinstance(node, ast.Assign) and targets & {source_of(each) for each in node.targets}:
            # uri = os.environ.get(NAME), and below, if it isn't set, uri = address.
            name = next(_named(node.value, settings), "")
        elif isinstance(node, ast.Name) and node.id in targets and isinstance(node.ctx, ast.Load):
            name = _around(module, node, settings)
        if name:
            return name
    return ""


def _around(module: Module, node: ast.AST, settings: Collection[str]) -> str:
    """The variable of the nearest expression whose default a node is."""
    inner = node
    for outer in module.above(node):
        if isinstance(outer, ast.stmt):
            return ""
        if isinstance(outer, ast.Call) and inner is not outer.func:
            first = text_of(argument(outer, 0))
            if first in settings:
                return str(first)
            if module.dotted(outer.func) == "dj_database_url.config":
                return text_of(argument(outer, 0, "env")) or "DATABASE_URL"
        elif isinstance(outer, ast.BoolOp | ast.IfExp) and (name := next(_named(outer, settings), "")):
            return name
        inner = outer
    return ""


def _named(node: ast.AST, settings: Collection[str]) -> Iterator[str]:
    return (str(text) for each in ast.walk(node) if (text := text_of(each)) in settings)
