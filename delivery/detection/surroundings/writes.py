"""The files and folders that the application writes to. In the pod, only /tmp and the home folder can be written to.

Only paths that the source tells are found. What the database's own address gives, or an upload from a variable, isn't.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.code.modules import Module, argument, source_of, text_of
from delivery.detection.code.paths import Known, Paths, is_temporary
from delivery.detection.configuration import Configuration
from delivery.detection.description import Setting, Written
from delivery.detection.surroundings.file_databases import (
    DATABASE,
    INDEX,
    OTHER,
    django_file,
    opened,
    pony_file,
    setting_of,
)

LOG, FILE = "log file", "file"
"""Kinds of files."""
UPLOADS, INSTANCE, CACHE, LOGS, SESSIONS, FOLDER = (
    "upload folder", "instance folder", "cache", "log folder", "session files", "folder",
)  # fmt: skip
"""Kinds of folders."""
SHARED = (DATABASE, OTHER, INDEX, UPLOADS, SESSIONS)
"""What one pod writes and another must read. Other files and folders are that if the application reads them too."""
LOGGERS = ("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler", "WatchedFileHandler",
           "ConcurrentRotatingFileHandler")  # fmt: skip
CACHES = ("diskcache.Cache", "joblib.Memory")
WRITING = {"write_text": FILE, "write_bytes": FILE, "touch": FILE, "mkdir": FOLDER}
"""Methods of a path."""
EXPORTING = ("savefig", "to_csv", "to_excel", "to_json", "to_parquet", "to_pickle", "write_html", "write_image")
"""Methods of figures and tables that take a path."""
READING = ("open", "load", "read_csv", "read_excel", "read_json", "read_parquet", "read_pickle", "send_file",
           "send_from_directory", "listdir", "scandir")  # fmt: skip
KEYS = (
    (re.compile(r"\w*UPLOAD\w*_(?:FOLDER|DIR|DIRECTORY|PATH|DEST)|UPLOADS?_DEFAULT_DEST|UPLOADED_\w+_DEST|MEDIA_(?:ROOT|FOLDER)"
                r"|FILE_UPLOAD_TEMP_DIR"), UPLOADS),
    (re.compile(r"CACHE_DIR|\w+_CACHE_DIR"), CACHE),
    (re.compile(r"SESSION_FILE_DIR|SESSION_FILE_PATH"), SESSIONS),
    (re.compile(r"\w*LOG_?(?:FILE|PATH|FILENAME)"), LOG),
    (re.compile(r"(?:SQLITE_)?(?:DATABASE|DB)(?:_PATH|_FILE|_NAME|_FILENAME)?"), DATABASE),
)  # fmt: skip
"""Keys of the configuration that name what is written to."""
DATABASES = (".db", ".sqlite", ".sqlite3", ".db3", ".sqlitedb")
SCRATCH = re.compile(r"(?:^|[/._-])(?:\w*cache\w*|te?mp|logs?)(?:$|[/._-])")
"""Names of folders whose content may be lost."""


def find_writes(
    configuration: Configuration, application: Application, configured: Configured, settings: Iterable[Setting] = ()
) -> tuple[Written, ...]:
    """All that is written to, each path once. The configuration's own are added, and take precedence."""
    writes = _Writes(application, configured, {each.place: each.name for each in settings})
    read = set(writes.read())
    found = {each.path: each for each in _declared(configuration)}
    for one in writes.all():
        if is_temporary(one.path):
            continue
        is_read = one.what in (FILE, FOLDER) and one.path in read
        each = replace(one, shared=one.shared or one.what in SHARED or is_read)
        there = found.get(each.path)
        # What is made as a folder, and written to as another kind, is that.
        found[each.path] = _merged(there, each) if there else each
    return tuple(
        replace(each, shared=False, place=configuration.place) if _may_be_lost(each, configuration) else each
        for each in found.values()
    )


def _declared(configuration: Configuration) -> Iterator[Written]:
    """Kept unless its name says that it need not be: who declares a folder rarely thinks of the second pod."""
    for path in (*(configuration.writable or ()), *(configuration.scratch or ())):
        what = DATABASE if path.endswith(DATABASES) else LOG if path.endswith(".log") else FOLDER
        yield Written(path, configuration.place, what, shared=not SCRATCH.search(path.lower()))


def _may_be_lost(written: Written, configuration: Configuration) -> bool:
    """Whether the configuration says so, of the path itself or of a folder that it is in."""
    path = PurePosixPath(written.path)
    return written.path not in (configuration.writable or ()) and any(
        path.is_relative_to(each) for each in configuration.scratch or ()
    )


def _merged(one: Written, other: Written) -> Written:
    first, second = (other, one) if one.what == FOLDER != other.what else (one, other)
    # A database that is opened without the setting too is in use whatever the setting says.
    setting = first.setting if second.what != first.what or second.setting == first.setting else ""
    return replace(first, shared=first.shared or second.shared, setting=setting)


class _Writes:
    def __init__(self, application: Application, configured: Configured, settings: dict[str, str]) -> None:
        self.application = application
        self.settings = settings
        """Names, by their places."""
        self.configured = configured
        self.paths = Paths(application, configured)

    def all(self) -> Iterator[Written]:
        for key, values in self.configured.values.items():
            what = next((kind for pattern, kind in KEYS if pattern.fullmatch(key)), None)
            for module, value in values[:1] if what else []:
                yield from self._key(module, value, what or FILE)
        for module in self.application.modules:
            for node in module.nodes:
                if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
                    yield from self._address(module, node)
                elif isinstance(node, ast.Call):
                    yield from self._call(module, node)
                elif isinstance(node, ast.Dict):
                    yield from self._written(module, node, django_file(module, node, self.paths), DATABASE)
        yield from self._sessions()

    def _written(
        self, module: Module, node: ast.AST, known: Known | None, what: str, *, kept: bool = False
    ) -> Iterator[Written]:
        """What is written to. kept: what was there before counts."""
        if known is None:
            return
        path = self.paths.relative(known)
        if not path or path in (".", "/") or "{" in path or "<" in path:
            return
        is_file = what == FILE and known.whole and not known.path.endswith("/")
        # A folder of databases, each with a name of its own, is kept as one with a known name is.
        kept = kept or (what in (DATABASE, OTHER, INDEX) and not known.whole)
        if what in (FILE, FOLDER) or not known.whole:
            what = self._telling(path, FILE if is_file else FOLDER)
        yield Written(path, module.place(node), what, shared=kept and what not in (LOG, LOGS, CACHE))

    def _key(self, module: Module, value: ast.expr, what: str) -> Iterator[Written]:
        known = self.paths.of(module, value)
        if known is None or "://" in known.path:
            return
        if what == DATABASE and not known.path.endswith(DATABASES):
            return
        if what == LOG and not posixpath.splitext(known.path)[1]:
            what = LOGS
        yield from self._written(module, value, known, what)

    def _address(self, module: Module, node: ast.AST) -> Iterator[Written]:
        """A database's address, such as `sqlite:///shop.db`."""
        parent = module.parents.get(node)
        if isinstance(parent, ast.BinOp | ast.JoinedStr) or not _mentions(node, "sqlite"):
            return
        if self._is_left_out(module, node):
            return
        known = self.paths.of(module, node)
        match = re.fullmatch(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)(?:\?.*)?", known.path) if known else None
        if not known or not match or match["path"] in ("", ":memory:") or match["path"].startswith("file:"):
            return
        path = match["path"]
        # Flask-SQLAlchemy takes a relative path from the instance folder, SQLAlchemy itself from the working directory.
        if not path.startswith("/") and isinstance(node, ast.Constant) and self._has_flask_sqlalchemy:
            path = posixpath.join(self.paths.instance_folder(), path)
        elif path.startswith("/"):
            path = "/" + path.lstrip("/")
        place = module.place(node)
        setting = setting_of(module, node, self.settings.values()) or self.settings.get(place, "")
        for one in self._written(module, node, Known(path, known.whole), DATABASE):
            yield replace(one, setting=setting)

    @property
    def _has_flask_sqlalchemy(self) -> bool:
        return any("flask_sqlalchemy" in name for each in self.application.modules for name in each.imports.values())

    def _is_left_out(self, module: Module, node: ast.AST) -> bool:
        """Whether it is the value of a key that has another one in production, or of a test, or a docstring."""
        names = [each.name for each in module.above(node) if isinstance(each, ast.ClassDef | ast.FunctionDef)]
        if any("test" in each.lower() for each in names) or isinstance(
            module.parents.get(node), ast.Expr | ast.Compare
        ):
            return True
        counted = {id(value) for values in self.configured.values.values() for _, value in values}
        for above in (node, *module.above(node)):
            parent = module.parents.get(above)
            if isinstance(parent, ast.Assign) and any(
                "URI" in source_of(each) or "URL" in source_of(each) for each in parent.targets
            ):
                keyed = any(source_of(each).isupper() for each in parent.targets)
                return keyed and id(above) not in counted
        return False

    def _call(self, module: Module, call: ast.Call) -> Iterator[Written]:
        yield from self._written(module, call, pony_file(module, call, self.paths), DATABASE)
        found = opened(module, call) or self._target(module, call)
        if found is None:
            return
        target, what = found
        known = self.paths.of(module, target)
        if known is None or (what == UPLOADS and known.whole):
            # save() with a path that is known belongs to anything else than an upload.
            return
        what = self._telling(known.path, what) if what in (FOLDER, FILE) else what
        yield from self._written(module, call, known, what, kept=what == FILE and bool(set("a+") & _mode(call)))

    def _target(self, module: Module, call: ast.Call) -> tuple[ast.expr, str] | None:
        """What a call writes to, and what that is; None if it writes nothing."""
        name = module.dotted(call.func)
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        called = call.func.attr if isinstance(call.func, ast.Attribute) else name.rpartition(".")[2]
        first = argument(call, 0, "filename", "file", "name", "path", "database")
        target, what = first, CACHE if name in CACHES else ""
        if what or name.startswith(("shelve.", "dbm.")):
            pass
        elif called == "open" and not name.startswith(("os.", "webbrowser.")):
            target, what = self._opened(call, name), FILE
        elif called in WRITING and owner and name != "os.mkdir":
            target, what = owner, WRITING[called]
        elif name in ("os.makedirs", "os.mkdir"):
            what = FOLDER
        elif called in LOGGERS:
            what = LOG
        elif name == "logging.basicConfig":
            target, what = argument(call, -1, "filename"), LOG
        elif called in EXPORTING and owner:
            what = FILE
        elif called == "save" and isinstance(first, ast.Call):
            what = UPLOADS
        return (target, what) if target is not None and what else None

    def _telling(self, path: str, what: str) -> str:
        """The kind that a path's own name says."""
        name = posixpath.basename(path.rstrip("/")).lower()
        if what == FILE:
            return DATABASE if name.endswith(DATABASES) else LOG if name.endswith(".log") else FILE
        if path == self.paths.instance_folder():
            return INSTANCE
        if "upload" in path.lower() or name == "media":
            return UPLOADS
        return CACHE if "cache" in path.lower() else LOGS if re.fullmatch(r"logs?", name) else FOLDER

    @staticmethod
    def _opened(call: ast.Call, name: str) -> ast.expr | None:
        """What is opened for writing; None if it is read."""
        if not set("wax+") & _mode(call):
            return None
        return _path_opened(call, name)

    def read(self) -> Iterator[str]:
        """The paths that are read: files, and folders whose files are."""
        for module in self.application.modules:
            for call in module.calls:
                name = module.dotted(call.func)
                called = call.func.attr if isinstance(call.func, ast.Attribute) else name.rpartition(".")[2]
                target = argument(call, 0, "file", "filename_or_fp", "path_or_file", "directory")
                if called in ("read_text", "read_bytes", "iterdir", "glob") and isinstance(call.func, ast.Attribute):
                    target = call.func.value
                elif called not in READING or (called == "open" and self._opened(call, name) is not None):
                    continue
                elif called == "open" and not name.startswith(("os.", "webbrowser.", "shelve.", "dbm.")):
                    target = _path_opened(call, name)
                known = self.paths.of(module, target) if target is not None else None
                if known:
                    yield self.paths.relative(known)

    def _sessions(self) -> Iterator[Written]:
        """What extensions write to where nothing is set: sessions and caches on the file system."""
        value = self.configured.value("SESSION_TYPE")
        if value and text_of(value[1]) == "filesystem" and not self.configured.value("SESSION_FILE_DIR"):
            yield Written("flask_session", value[0].place(value[1]), SESSIONS, shared=False)


def _is_method(call: ast.Call, name: str) -> bool:
    """Whether `open` is that of a path: its first argument is the mode."""
    return isinstance(call.func, ast.Attribute) and not name.endswith(("io.open", "codecs.open"))


def _mode(call: ast.Call) -> set[str]:
    """The characters of the mode with which a file is opened; none if it isn't known, or is something else."""
    name = source_of(call.func)
    mode = text_of(argument(call, 0 if _is_method(call, name) else 1, "mode")) or ""
    return set(mode) if re.fullmatch(r"[rwaxbt+]+", mode) else set()


def _path_opened(call: ast.Call, name: str) -> ast.expr | None:
    """The path that `open` is given, or whose method it is."""
    if isinstance(call.func, ast.Attribute) and _is_method(call, name):
        return call.func.value
    return argument(call, 0, "file", "filename")


def _mentions(node: ast.AST, word: str) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.startswith(word)
    return any(
        isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.startswith(word)
        for each in ast.walk(node)
    )
