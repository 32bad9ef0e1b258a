"""Where an application comes from, by which two of one name are told apart."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from delivery.git import answer

_REMOTE = re.compile(r"(?:\w+://)?(?:[^/@\s]*@)?(?P<host>[\w.-]+)(?::\d+/|[:/])/*(?P<path>.+?)(?:\.git)?/*")
"""https://user@host:443/path.git, ssh://git@host/path and git@host:path."""


def origin_of(folder: Path) -> str:
    """`host/owner/shop`, with `#backend` for a subfolder; without a remote, a digest of the absolute folder.

    It is the same for every clone and however the clone was made, and holds no login.
    """
    folder = folder.resolve()
    remote = remote_of(folder)
    if not remote:
        return f"folder-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    inside = folder.relative_to(Path(top)).as_posix() if (top := top_of(folder)) else "."
    return remote if inside == "." else f"{remote}#{inside}"


def remote_of(folder: Path) -> str:
    """`host/owner/shop` of the repository's remote; empty if it has none, or one on this machine."""
    address = answer(folder, "config", "--get", "remote.origin.url")
    match = _REMOTE.fullmatch(address)
    if not match or address.startswith(("file:", "/", ".")):
        return ""
    return f"{match['host'].lower()}/{match['path']}"


def top_of(folder: Path) -> str:
    """The top level of the repository that a folder is in; empty without one."""
    return answer(folder, "rev-parse", "--show-toplevel")
