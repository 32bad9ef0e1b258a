"""A Python of the image's version on this machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

SAYS_VERSION = "import sys; print(*sys.version_info[:2], sep='.'); print(sys.executable)"
SECONDS = 10
"""For an interpreter to say its version."""


def find_python(wanted: str, cache: Path) -> tuple[str, str]:
    """The Python of the wanted version, such as 3.13, or else the one that runs this; and what is to be said about it.

    To look for it takes seconds. What came of it is kept in the folder `cache` until something was installed where
    such are found.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" == wanted:
        return sys.executable, ""
    kept = cache / f"python-{wanted}-{_places()}"
    known = kept.read_text() if kept.is_file() else None
    if known is None or (known and not Path(known).exists()):
        known = _found(wanted)
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob(f"python-{wanted}-*"):
            old.unlink()
        kept.write_text(known)
    if known:
        return known, ""
    return sys.executable, (
        f"Python {wanted}, which the image uses, isn't installed on this machine: serving with "
        f"Python {platform.python_version()}"
    )


def _folders() -> Iterator[Path]:
    """The folders in which something is made when a Python is installed."""
    yield from map(Path, filter(None, os.environ.get("PATH", "").split(os.pathsep)))
    yield _pyenv()
    yield Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "uv" / "python"


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def _places() -> str:
    """A digest of when these folders changed."""
    seen = [(str(folder), folder.stat().st_mtime_ns) for folder in _folders() if folder.is_dir()]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:10]


def _found(wanted: str) -> str:
    """The interpreter's path; empty if there is none."""
    # One of pyenv that is not switched on is no program to uv, which gives up then.
    for candidate in (shutil.which(f"python{wanted}"), *_pyenv().glob(f"{wanted}.*/bin/python{wanted}")):
        if candidate and (found := _asked(str(candidate), wanted)):
            return found
    command = [find_uv_bin(), "python", "find", "--no-config", "--no-project", "--no-python-downloads", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _asked(candidate: str, wanted: str) -> str:
    """The path of the interpreter itself, if this is one of the wanted version; else empty."""
    try:
        done = subprocess.run(
            [candidate, "-c", SAYS_VERSION], capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    version, _, path = done.stdout.strip().partition("\n")
    return path if version == wanted else ""
