"""Settings whose value is the address of an SQLite database: each is a file that the application writes to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from delivery.detection.description import Description, Written

ADDRESS = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)(?:\?.*)?")
FLASK_SQLALCHEMY = re.compile(r"(?im)^[\s\"'\[]*flask[-_.]sqlalchemy\b")


def given_databases(description: Description, given: Mapping[str, str]) -> Iterator[Written]:
    """The databases in the values of settings."""
    for name, value in given.items():
        match = ADDRESS.fullmatch(value.strip())
        if not match or match["path"] in ("", ":memory:") or match["path"].startswith("file:"):
            continue
        path = match["path"]
        if path.startswith("/"):
            path = "/" + path.lstrip("/")
        elif _has_flask_sqlalchemy(description):
            # It takes a relative path from the instance folder; SQLAlchemy itself from the working directory.
            path = posixpath.normpath(posixpath.join(description.served.value.root, "instance", path))
        yield Written(path, f"your setting {name}", "SQLite database", shared=True)


def _has_flask_sqlalchemy(description: Description) -> bool:
    files = [description.folder / file for file in description.dependencies.files]
    return any(
        FLASK_SQLALCHEMY.search(file.read_text(encoding="utf-8", errors="replace")) for file in files if file.is_file()
    )
