"""What to do when an application can't write to a file, known by what it prints."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

CODE = PurePosixPath("/srv")
DENIED = re.compile(r"(?:Read-only file system|Permission denied): \\?['\"]([^'\"\\]+)")
"""What Python says when a file can't be written to, also as a log line in JSON has it."""
SQLITE_DENIED = re.compile(r"attempt to write a readonly database|unable to open database file")


def advise(line: str, code: PurePosixPath = CODE) -> str:
    """What to do about a line that says that something can't be written to; empty for another line."""
    denied = DENIED.search(line)
    if denied:
        path = CODE / denied[1]
        return (
            f"The application writes to {path}, which is read-only here and in its pod. Write to /tmp, which is "
            f'deleted with the pod, or set writable = ["{key(path, code)}"] in flask-app.toml: the folder is then a '
            "volume here and in the cluster"
        )
    if SQLITE_DENIED.search(line):
        return (
            "SQLite can't write to the folder of its database, which is read-only here and in its pod. Add that "
            "folder to writable in flask-app.toml, or use a database server"
        )
    return ""


def key(path: PurePosixPath, code: PurePosixPath = CODE) -> str:
    """The folder of a path as flask-app.toml names it: relative to the repository, or absolute elsewhere."""
    # What has an ending is a file.
    folder = path.parent if path.suffix else path
    return str(folder.relative_to(code)) if folder.is_relative_to(code) else str(folder)
