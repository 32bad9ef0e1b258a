"""Writing to a pipe, each piece whole, and without waiting for its reader for longer than is said."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import termios

# By name, before an application replaces them, as gevent and eventlet do: a line is written whole, without letting
# anything else run meanwhile, which might want to write one too, and also from where nothing may wait.
from select import PIPE_BUF, POLLOUT, poll
from time import monotonic, sleep

PATIENCE_SECONDS = 1.0


def write_whole(descriptor: int, data: bytes, seconds: float) -> int:
    """Write the data once there is room for it, within this time at most. How many bytes were written: less than all if
    there was no room, or if another process has taken it meanwhile."""
    if len(data) <= PIPE_BUF:
        try:
            written = _write_at_once(descriptor, data)
        except OSError:
            return 0
        if written or (written == 0 and not seconds):
            return written
    return write(descriptor, data, seconds) if has_room(descriptor, len(data), seconds) else 0


def has_room(descriptor: int, size: int, seconds: float) -> bool:
    """Whether so many bytes can be written without waiting for a reader, within this time."""
    deadline = monotonic() + seconds
    writable = poll()
    writable.register(descriptor, POLLOUT)
    while writable.poll(max(0.0, deadline - monotonic()) * 1000):
        # That is said of a pipe as soon as it has room for PIPE_BUF bytes.
        if size <= PIPE_BUF or is_empty(descriptor):
            return True
        if monotonic() >= deadline:
            return False
        sleep(0.01)
    return False


def is_empty(descriptor: int) -> bool:
    """Whether a pipe is empty. Only then does it surely have room for more than PIPE_BUF bytes, since it keeps a whole
    page for a part of one. What is no pipe always has."""
    return not _is_pipe(descriptor) or not any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))


def write(descriptor: int, data: bytes, seconds: float = PATIENCE_SECONDS) -> int:
    """Write it all, waiting for so long at most at a time; how many bytes were written."""
    written = 0
    while written < len(data):
        rest = data[written:] if written else data
        try:
            now = _write_at_once(descriptor, rest)
            written += os.write(descriptor, rest) if now is None else now
        except BlockingIOError:
            now = 0
        except OSError:
            break
        if now == 0:
            # Another process has taken the room, or has made it non-blocking, for all who share it.
            writable = poll()
            writable.register(descriptor, POLLOUT)
            if not writable.poll(seconds * 1000):
                break
    return written


def _write_at_once(descriptor: int, data: bytes) -> int | None:
    """Write to a pipe what has room; up to PIPE_BUF bytes are written whole or not at all. None where the system can't
    do that for one write alone: O_NONBLOCK would be for all who share the pipe. Raises OSError."""
    if not hasattr(os, "RWF_NOWAIT") or not _is_pipe(descriptor):
        return None
    try:
        return os.pwritev(descriptor, [data], -1, os.RWF_NOWAIT)
    except BlockingIOError:
        return 0
    except OSError as error:
        # Linux before 6.5 does not know it for pipes, some sandboxes not at all, or forbid it.
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE, errno.EPERM):
            raise
        return None


def _is_pipe(descriptor: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # Closed, as the write will tell.
