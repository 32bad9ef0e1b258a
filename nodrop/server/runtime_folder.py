"""The folder for what the server's processes tell each other, in memory and only for the life of one server."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "nodrop-"
OWN_METRICS = "serving"
"""Folder in that of the metrics (PROMETHEUS_MULTIPROC_DIR): the serving layer's, apart from the application's own."""
BACKLOG_FILE = "backlog"
"""File in which gunicorn's master keeps how many connections may wait to be accepted."""
WORKER_STARTS = "worker_starts"
"""File in which gunicorn's master keeps how many workers it has started."""


def runtime_folder(parent: Path) -> Path:
    """Make a new folder in `parent` and remove those whose servers were killed.

    A pod's /dev/shm outlives its containers: without the removal, each one that runs out of memory would leave its
    metrics there. A living server is known by the lock that its processes hold, since process ids say nothing across
    containers.
    """
    for folder in parent.glob(f"{PREFIX}*"):
        if not is_held(folder / "lock"):
            shutil.rmtree(folder, ignore_errors=True)
    # Under a name that nobody looks for until the lock is held.
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    # Never closed: the lock is this process's, and its workers', until the last of them ends.
    fcntl.flock(os.open(new / "lock", os.O_CREAT | os.O_RDONLY, 0o600), fcntl.LOCK_EX)
    return new.rename(parent / new.name.removeprefix("."))


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock; also true if that can't be told, as for another user's."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
