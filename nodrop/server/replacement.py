"""How a worker that has served MAX_REQUESTS is replaced: the next one serves before it stops.

gunicorn's own workers end first, and its master starts the next one then: with one worker in a pod nobody accepts while
that loads the application. Here:

1. the worker takes a lock, so that one at a time is replaced, writes a file with its process id for a name, and asks
   the master for one more worker (SIGTTIN)
2. the master marks the next worker that it starts as the replacement, which writes its own process id into the file
3. once the replacement is ready the old worker drains and ends; the master then wants one worker fewer again

Where the replacement can't start, it ends by itself instead of ending the server, as gunicorn would have it; the master
removes the file, and the old worker serves on and tries again later. A worker that is killed frees the lock.

`nodrop reload` does the same from outside, for each worker (nodrop/server/reload.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from nodrop.health.worker_state import WorkerState

RETRY_SECONDS = 60.0
"""How long a worker whose replacement could not start waits before it asks again."""
FOLDER = "replacements"
_LOCK = "lock"


class Progress(Enum):
    """How far the replacement of a worker is."""

    WAITING = "it is asked for, or loads the application"
    READY = "it serves"
    FAILED = "it could not start"


class Replacement:
    """The side of a worker, or of whoever has it replaced. `folder` is the one that the server's processes share."""

    def __init__(self, folder: Path, state: WorkerState, *, master: int, log: Any = None, pid: int = 0) -> None:
        """pid: the worker to replace; by default this process."""
        self._folder = folder / FOLDER
        self._state = state
        self._master = master
        self._log = log
        self._pid = pid or os.getpid()
        self._file = self._folder / str(self._pid)
        self._lock: int | None = None
        self._next_try = 0.0

    def announce(self, replaces: int) -> None:
        """Tell the old worker that this process is its replacement."""
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            (self._folder / str(replaces)).write_text(str(os.getpid()))

    def is_ready(self) -> bool:
        """Ask for a replacement, once, and say whether it serves. Called again and again by a worker that is due."""
        progress = self.progress()
        if progress is Progress.FAILED:
            self._log.warning(
                "the worker that was to replace this one after MAX_REQUESTS could not start: serving on, and trying "
                "again in %.0f s", RETRY_SECONDS,
            )  # fmt: skip
        return progress is Progress.READY

    def progress(self) -> Progress:
        """Ask for a replacement, once, and say how far it is. After a failure, ask again in RETRY_SECONDS."""
        if self._lock is None:
            if time.monotonic() >= self._next_try:
                self._ask()
            return Progress.WAITING
        try:
            replacement = self._file.read_text()
        except FileNotFoundError:
            self.release()
            self._next_try = time.monotonic() + RETRY_SECONDS
            return Progress.FAILED
        is_ready = any(str(worker.pid) == replacement and worker.ready for worker in self._state.workers())
        return Progress.READY if is_ready else Progress.WAITING

    def release(self) -> None:
        """Let another worker be replaced. A worker that ends does so without it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _ask(self) -> None:
        """Take the lock, if it is free, and ask the master."""
        lock = os.open(self._folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            # Not flock: a child that the application forks would keep that.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return
        self._lock = lock
        self._file.write_text("")
        # The id of a master that has ended may be another process's.
        if self._pid != os.getpid() or os.getppid() == self._master:
            os.kill(self._master, signal.SIGTTIN)


class Replacements:
    """The master's side. `folder` is the one that the server's processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._replaced: set[int] = set()
        """The workers for which one more was added."""
        self._unmarked: list[int] = []
        """Those of them whose replacement has not been started."""
        self._is_taken_back = False
        """The next change of the number is the one that worker_gone() has asked for."""

    def number_changed(self, new: int, old: int | None, pids: set[int]) -> None:
        """The master wants `new` workers in place of `old`; it has `pids`."""
        if self._is_taken_back:
            self._is_taken_back = False
        elif old is not None and new == old + 1:
            self._worker_added(pids)
        else:
            # A reload, or an operator's choice: what was added before does not count any more.
            self._forget_all()

    def _worker_added(self, pids: set[int]) -> None:
        """It is a replacement if one of `pids` has asked; else an operator wants more."""
        for pid in sorted(pids - self._replaced):
            if (self._folder / str(pid)).exists():
                self._replaced.add(pid)
                self._unmarked.append(pid)
                return

    def _forget_all(self) -> None:
        for pid in self._replaced:
            self._file(pid).unlink(missing_ok=True)
        self._replaced.clear()
        self._unmarked.clear()

    def next_replaces(self) -> int:
        """Whom the worker that is started now replaces, by process id; 0 for nobody."""
        return self._unmarked.pop(0) if self._unmarked else 0

    def worker_gone(self, pid: int, replaces: int, *, is_serving: Callable[[int], bool]) -> bool:
        """A worker is gone that was to replace `replaces`, or 0; whether the master is to want one fewer from now on.

        is_serving: whether a worker, by process id, has not begun to drain.
        """
        gone = pid
        if pid not in self._replaced:
            # A replacement that ends before the old worker drains has never served: none is wanted any more.
            if replaces not in self._replaced or not is_serving(replaces):
                return False
            gone = replaces
        self._replaced.discard(gone)
        if gone in self._unmarked:
            self._unmarked.remove(gone)
        self._file(gone).unlink(missing_ok=True)
        # Others may be being replaced, while this one has drained.
        self._is_taken_back = True
        return True

    def _file(self, pid: int) -> Path:
        return self._folder / str(pid)
