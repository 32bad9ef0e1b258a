"""Whether a process of the server is alive: by its process id, or by a lock that it holds."""

from __future__ import annotations

import fcntl
import os
import stat


def is_alive(pid: int) -> bool:
    """Whether a process of this server has this id, for ids of this container.

    False for a process of another user, since all of the server's have one user, and for a number that is no process
    id. A process that has ended counts as alive until its parent has waited for it.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    return True


def is_locked(name: str, folder: int) -> bool:
    """Whether a living process holds the lock on the file `name` in the open folder `folder`.

    A lock says so across containers too, where a process id says nothing. Never waits: anything but a regular file,
    such as a FIFO or a link, is a lock of nobody. True if it can't be known, as for a file that can't be opened.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return _is_regular_file(name, folder)
    try:
        # A device would be locked by whoever has it open.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_regular_file(name: str, folder: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True
