"""The lines of this process on their way to standard output: written at once, or a few together.

A line of the log is written by whoever has it, and is out when that goes on. Access lines come with every request and
would cost a write and a wake-up of the reader each. As long as they come seldom, they are written at once too; when
they come fast, they wait until there are BATCH_LINES, or for FLUSH_SECONDS, after which a thread writes them. Nothing
overtakes: whoever writes a line writes all that wait before it.

Written are pieces of whole lines, up to the 4096 bytes (PIPE_BUF) that the kernel keeps together in any case, so that
lines of several processes do not mix. What can't be written is lost: a log that nobody reads must not hold up or fail a
request. A reader that has stopped is waited for once, for `patience` seconds, and by the thread alone where only access
lines wait; from then on lines are dropped until it reads again, and it is told how many.
"""

from __future__ import annotations

import _thread
import atexit
import os
from _thread import RLock, start_new_thread
from collections import deque
from collections.abc import Callable
from math import inf

# By name, before an application replaces them: see pipe.py.
from queue import SimpleQueue
from select import PIPE_BUF
from threading import Thread
from time import monotonic, sleep

from nodrop.logs import pipe

FLUSH_SECONDS = 0.02
"""For how long a line may wait. What ends the process without a word, such as SIGKILL, loses what has come in it."""
BATCH_LINES = 16
"""So many that wait are written by whoever puts the last of them there."""
MOST_WAITING = 4000
"""Lines. More are not kept for a reader that has stopped: they are lost, and counted."""


Line = bytes | Callable[[], bytes]
"""A line with its end, or what makes it when it is written."""


def _made(line: Callable[[], bytes]) -> bytes:
    try:
        return line()
    except Exception as error:
        return b'{"level": "error", "message": "a line was lost: %s"}\n' % type(error).__name__.encode(
            "ascii", "replace"
        )


def _nothing(lost: int) -> bytes:  # noqa: ARG001
    return b""


class Lines:
    """Those for one descriptor. For any number of threads, and for signal handlers."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.patience = pipe.PATIENCE_SECONDS
        """Seconds for which a reader that has stopped is waited for, once."""
        self.line_about: Callable[[int], bytes] = _nothing
        """The line that tells how many were lost."""
        self._lost = 0
        self._has_stopped = False
        """The reader has been waited for in vain."""
        self._begin()
        # A child gets a copy of what waits here, which is its parent's to write.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting: deque[Line] = deque()
        # A signal handler may write a line while one is being written.
        self._writing = RLock()
        self._counting = RLock()
        self._drained = -inf
        """When what waits was last written, by time.monotonic()."""
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._runs = False
        """There is a thread that writes what waits."""
        self._flushes = False
        """It is about to."""
        self._at_once = False
        """Nothing may wait here: the process is about to end, or can't have the thread."""

    def write(self, line: Line) -> None:
        """Write the line and all that wait before it; or lose it, after `patience` seconds at most."""
        self._waiting.append(line)
        with self._writing:
            self._drain(monotonic() + self.patience)

    def put(self, line: Line) -> None:
        """Have the line written, within FLUSH_SECONDS if the reader reads. Never waits for it."""
        if self._at_once:
            self.write(line)
            return
        if len(self._waiting) >= MOST_WAITING:
            with self._counting:
                self._lost += 1
            return
        self._waiting.append(line)
        if self._is_due() and self._writing.acquire(blocking=False):
            try:
                self._drain(None)
                self._drained = monotonic()
            finally:
                self._writing.release()
        if self._waiting and not self._flushes:
            self._ring()

    def _is_due(self) -> bool:
        """Whether what waits is worth a write: there are enough, or nothing was written for some time."""
        number = len(self._waiting)
        return number % BATCH_LINES == 0 or (number == 1 and monotonic() - self._drained > FLUSH_SECONDS)

    def flush(self) -> None:
        """Write what waits; or lose it, after `patience` seconds at most."""
        with self._writing:
            self._drain(inf)

    def close(self) -> None:
        """Write what waits, and every line at once from now on."""
        self._at_once = True
        self.flush()

    def _ring(self) -> None:
        """Have the thread write what waits, in a moment."""
        # Where greenlets stand in for threads, one that sleeps would be in no hurry.
        if self._at_once or _thread.start_new_thread is not start_new_thread:
            self.close()
            return
        self._flushes = True
        with self._counting:
            runs, self._runs = self._runs, True
        if runs:
            self._bell.put(None)
            return
        atexit.register(self.close)
        try:
            Thread(target=self._flush_for_ever, name="log", daemon=True).start()
        except RuntimeError:
            # There is none to be had.
            self.close()

    def _flush_for_ever(self) -> None:
        bell, waiting = self._bell, self._waiting
        while True:
            # Under load others have written meanwhile, and what waits has come since then.
            while (early := self._drained + FLUSH_SECONDS - monotonic()) > 0:
                sleep(early)
            with self._writing:
                self._drain(inf)
            self._drained = monotonic()
            self._flushes = False
            # Whoever has put a line there just before has left it to this thread.
            if not waiting:
                bell.get()
            self._flushes = True

    def _drain(self, until: float | None) -> None:
        """Write what waits. With the lock.

        until: by time.monotonic(), when to leave the rest to the thread, if that is about to come. None: wait for
        nobody, and leave what has no room.
        """
        while self._waiting:
            lines = self._next_piece()
            if not self._write_piece(lines, waits=until is not None):
                self._waiting.extendleft(reversed(lines))
                return
            if self._flushes and until is not None and monotonic() > until:
                return

    def _next_piece(self) -> list[bytes]:
        """What is written in one piece: a line, and those behind it that the kernel keeps together with it."""
        waiting, size = self._waiting, 0
        lines: list[bytes] = []
        while waiting:
            line = waiting.popleft()
            if not isinstance(line, bytes):
                line = _made(line)
            size += len(line)
            if lines and size > PIPE_BUF:
                waiting.appendleft(line)
                break
            lines.append(line)
        return lines

    def _write_piece(self, lines: list[bytes], *, waits: bool) -> bool:
        """Write the lines, or lose them; False if they are neither, since there is no room and nobody has waited."""
        lost = self._lost
        # In one piece with the lines: told alone, it would begin the waiting anew for those that have no room.
        data = b"".join([self.line_about(lost), *lines] if lost else lines)
        patience = self.patience if waits and not self._has_stopped else 0.0
        written = pipe.write_whole(self._descriptor, data, patience)
        if written == len(data):
            self._has_stopped = False
            if lost:
                with self._counting:
                    self._lost -= lost
            return True
        if not written and not waits and not self._has_stopped:
            return False
        self._has_stopped = True
        with self._counting:
            self._lost += len(lines)
        return True


standard_output = Lines(1)
