"""The folder for what the server's processes tell each other, in memory and only for the life of one server."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nodrop.system.processes import is_locked

MEMORY = Path("/dev/shm")
PREFIX = "nodrop-"
OWN_METRICS = "serving"
"""Folder in that of the metrics (PROMETHEUS_MULTIPROC_DIR): the serving layer's, apart from the application's own."""
BACKLOG_FILE = "backlog"
"""File in which gunicorn's master keeps how many connections may wait to be accepted."""
MASTER_FILE = "master"
"""File in which gunicorn's master keeps its process id, for `nodrop reload`."""
WORKER_STARTS = "worker_starts"
"""File in which gunicorn's master keeps how many workers it has started."""
MEMORY_NEEDED = 16 * 1024 * 1024
"""Bytes that must be free in memory for the folder to go there; metrics are a few megabytes."""
REMOVAL_SECONDS = 1.0
"""How long a start may take to remove what killed servers have left. The next start goes on with the rest."""
YOUNG_SECONDS = 60.0
"""The age below which a folder without a lock may belong to a server that is starting right now."""
MAX_DEPTH = 8
"""How deep folders are removed. The server's are three deep; others must not exhaust the stack."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_lock: int | None = None
"""The descriptor by which this process, or the server's process that it was forked from, holds its folder's lock."""


def memory_folder() -> Path:
    """Where to make the folder: in memory if there is room, else where temporary files go.

    gunicorn's heartbeat touches a file there every second, and a slow disk would look like a hung worker. A pod's
    /dev/shm is shared by its containers, any of which may have filled it; mapped files would end the process then.
    """
    with suppress(OSError):
        room = os.statvfs(MEMORY)
        if os.access(MEMORY, os.W_OK) and room.f_bavail * room.f_frsize >= MEMORY_NEEDED:
            return MEMORY
    return Path(tempfile.gettempdir())


def runtime_folder(parent: Path) -> Path:
    """Make a new folder in `parent` and remove those whose servers were killed.

    A pod's /dev/shm outlives its containers: without the removal, each one that runs out of memory would leave its
    metrics there. What else anyone has left there, under whatever name, is neither waited for nor followed.
    """
    global _lock  # noqa: PLW0603
    _remove_leftovers(parent)
    # Under a name that nobody looks for until the lock is held.
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    # Never closed: the lock is this process's, and its workers', until the last of them ends.
    _lock = os.open(new / "lock", os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600)
    fcntl.flock(_lock, fcntl.LOCK_EX)
    return new.rename(parent / new.name.removeprefix("."))


def living_servers() -> Iterator[Path]:
    """The folders of this user's servers that run, in this container or another of its pod."""
    for parent in dict.fromkeys((MEMORY, Path(tempfile.gettempdir()))):
        for folder in parent.glob(f"{PREFIX}*"):
            with _opened(folder) as descriptor:
                if descriptor is not None and is_locked("lock", descriptor):
                    yield folder


def lock_descriptor() -> int | None:
    """The descriptor by which this process holds its server's folder; None if it has none."""
    return _lock


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """The folder's descriptor; None for what is no folder, no folder of this user's, or can't be opened."""
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(folder, _FOLDER_FLAGS)
    try:
        own = descriptor is not None and os.fstat(descriptor).st_uid == os.geteuid()
        yield descriptor if own else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders that no living server holds, for REMOVAL_SECONDS at most."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    for pattern in (f"{PREFIX}*", f".{PREFIX}*"):
        for folder in parent.glob(pattern):
            with _opened(folder) as descriptor:
                if descriptor is None or is_locked("lock", descriptor):
                    continue
                if pattern.startswith(".") and time.time() - os.fstat(descriptor).st_mtime < YOUNG_SECONDS:
                    continue
                _empty(descriptor, deadline)
            with suppress(OSError):
                folder.rmdir()
            if time.monotonic() > deadline:
                return


def _empty(folder: int, deadline: float, depth: int = 0) -> None:
    """Remove what is in the open folder, until the deadline by time.monotonic(); what can't be removed stays."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if time.monotonic() > deadline:
                return
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif depth < MAX_DEPTH:
                    inner = os.open(entry.name, _FOLDER_FLAGS, dir_fd=folder)
                    try:
                        _empty(inner, deadline, depth + 1)
                    finally:
                        os.close(inner)
                    os.rmdir(entry.name, dir_fd=folder)
