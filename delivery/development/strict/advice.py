"""What to do when an application can't write to a file, known by what it prints."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from delivery.deployment.release.remedies import CODE, DENIED, declaring

SQLITE_DENIED = re.compile(r"attempt to write a readonly database|unable to open database file")


def advise(line: str, code: PurePosixPath = CODE) -> str:
    """What to do about a line that says that something can't be written to; empty for another line."""
    denied = DENIED.search(line)
    if denied:
        path = CODE / denied[1]
        return (
            f"The application writes to {path}, which is read-only here and in its pod. Write to /tmp, which is "
            f"deleted with the pod, or else: {declaring(path, line, code)}"
        )
    if SQLITE_DENIED.search(line):
        return (
            "SQLite can't write to the folder of its database, which is read-only here and in its pod. Add that "
            "folder to writable in flask-app.toml, or use a database server"
        )
    return ""
