"""A process of the server's own that is forked rather than started anew.

What its parent has imported it has too: it costs neither the time to import it again, nor memory of its own for most of
it. It gets nothing else of its parent's: no signal handler, and none of its open files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from nodrop.system.children import replace_descriptors

LOOK_SECONDS = 0.02
_FIRST = 3
"""The first descriptor that is not one of the three that every program has."""


class Forked:
    """A child process, the leader of a process group of its own, so that Ctrl-C does not reach it."""

    def __init__(self, name: str, run: Callable[[], None], *, failed: Callable[[BaseException], None]) -> None:
        """Start it. `run` may end with SystemExit; what else it raises `failed` is told, and the exit status is 1.

        name: at most 15 characters, that `ps -o comm` and /proc show on Linux.
        """
        # What arrives before the child has its own handlers would be taken by its parent's.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.pid = os.fork()
        """Its process id, and that of its group."""
        if self.pid == 0:
            # Nothing of the parent's may run here when it ends, whatever happens.
            status = 1
            try:
                status = _run(name, run, mask)
            except BaseException as error:
                failed(error)
            finally:
                os._exit(status)
        # In either process, since each may be the first to need it.
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs. 0, too, if somebody else has waited for it."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = 0
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def stop(self, seconds: float) -> None:
        """End its group: SIGTERM, and SIGKILL if it is still there after so many seconds."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, float("inf"))):
            # It may have been killed, and its children have ended with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            deadline = time.monotonic() + patience
            while self.poll() is None and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            if self.poll() is not None:
                return


def _leave_parent(name: str) -> None:
    """In the child: what exec would do."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)) and number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    replace_descriptors(_open_descriptors())
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _open_descriptors() -> set[int]:
    """All but standard input, output and error."""
    found = {int(path.name) for path in list(Path("/dev/fd").iterdir())}
    # Not the one by which the folder was read, which is closed by now.
    return {each for each in found if each >= _FIRST and _is_open(each)}


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _run(name: str, run: Callable[[], None], mask: set[int | signal.Signals]) -> int:
    """In the child: run it, and say with which status the process is to end."""
    _leave_parent(name)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
