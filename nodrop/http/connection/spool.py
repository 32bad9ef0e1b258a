"""Bytes on their way between a client and the application: a little in memory, more of them in a temporary file."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from nodrop.system.children import when_forked

IN_MEMORY = 32 * 1024
"""Bytes a spool keeps in memory, for each direction of each connection; most requests and answers are smaller."""


class BudgetExceeded(OSError):
    """No more may be spooled now."""

    def __init__(self, budget: Budget, size: int) -> None:
        super().__init__(f"{budget.used} of {budget.limit} bytes are in use, {size} more do not fit")
        self.budget = budget
        """The one that is used up."""


class Budget:
    """What spools may keep in files together: all of a process, or those of one client."""

    def __init__(self, limit: int, within: Budget | None = None) -> None:
        """limit: in bytes. within: the budget that this one is a part of."""
        self.limit = limit
        self.used = 0
        self._within = within
        self._outermost: Budget = within._outermost if within else self
        if within is None:
            self._lock = threading.Lock()
            when_forked(self._renew_lock)

    def _renew_lock(self) -> None:
        """In a child process: another thread of the worker may have held it."""
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Raise BudgetExceeded unless `size` more bytes fit."""
        with self._outermost._lock:
            budgets = list(self._and_those_around())
            for budget in budgets:
                if budget.used + size > budget.limit:
                    raise BudgetExceeded(budget, size)
            for budget in budgets:
                budget.used += size

    def give(self, size: int) -> None:
        """Say that `size` bytes are free again."""
        with self._outermost._lock:
            for budget in self._and_those_around():
                budget.used -= size

    def _and_those_around(self) -> Iterator[Budget]:
        budget: Budget | None = self
        while budget is not None:
            yield budget
            budget = budget._within


class Spool:
    """A queue of bytes, first in, first out. Not safe for two threads at once."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._memory = bytearray()
        # Everything is either in memory or, from the first append that does not fit, in the file.
        self._file: IO[bytes] | None = None
        self._read = self._written = 0
        self._held = 0
        # What overwrite() has put in the place of what was read: in memory, or at the start of the file.
        self._over = bytearray()
        self._overwritten = 0

    def __len__(self) -> int:
        return self._written - self._read if self._file else len(self._memory)

    @property
    def held(self) -> int:
        """Bytes of its budget that it uses; what is in memory uses none."""
        return self._held

    @property
    def occupied(self) -> int:
        """Bytes that it takes up, read ones included: a file is given back only when all of it has been read."""
        return self._held if self._file else len(self._memory)

    def append(self, data: bytes | memoryview) -> None:
        """Add `data`; all of it or, when BudgetExceeded or another OSError (a full disk) is raised, none."""
        if self._file:
            self._write(data)
        elif len(self._memory) + len(data) <= IN_MEMORY:
            self._memory += data
        else:
            kept = bytes(self._memory)
            self._file = tempfile.TemporaryFile(prefix="nodrop-", buffering=0)  # noqa: SIM115 - closed by clear()
            try:
                self._write(b"".join((kept, data)))
            except OSError:
                self.clear()
                self._memory += kept
                raise
            self._memory.clear()

    def peek(self, size: int) -> bytes:
        """Up to `size` of the next bytes, which stay."""
        if self._file is None:
            return bytes(self._memory[:size])
        return os.pread(self._file.fileno(), min(size, len(self)), self._read)

    def skip(self, size: int) -> None:
        """Drop the next `size` bytes."""
        if self._file is None:
            del self._memory[:size]
            return
        self._read += size
        if self._read == self._written and not self._overwritten:
            self.clear()

    def recv(self, size: int) -> bytes:
        """Take up to `size` of the next bytes; b"" when there are none. What gunicorn's parser calls on a socket."""
        data = self.peek(size)
        self.skip(len(data))
        return data

    def overwrite(self, data: bytes) -> None:
        """Put `data` in the place of what has been read, which must be as much at least. It costs no room."""
        if self._file is None:
            self._over += data
            return
        if self._overwritten + len(data) > self._read:
            raise ValueError("no more can be put in the place of what was read than was read")
        _write_all(self._file.fileno(), data, self._overwritten)
        self._overwritten += len(data)

    def take_overwritten(self) -> Spool:
        """What overwrite() was given, as a spool of its own that has the room of this one. Nothing is left here."""
        other = Spool(self._budget)
        other._memory, self._over = self._over, bytearray()
        other._file, self._file = self._file, None
        other._written, self._overwritten = self._overwritten, 0
        other._held, self._held = self._held, 0
        self._read = self._written = 0
        self._memory.clear()
        return other

    def clear(self) -> None:
        """Drop everything."""
        self._memory.clear()
        self._over.clear()
        self._overwritten = 0
        if self._file:
            self._file.close()
            self._file = None
            self._read = self._written = 0
        self._budget.give(self._held)
        self._held = 0

    def _write(self, data: bytes | memoryview) -> None:
        assert self._file
        self._budget.take(len(data))
        self._held += len(data)
        try:
            _write_all(self._file.fileno(), data, self._written)
        except OSError:
            self._budget.give(len(data))
            self._held -= len(data)
            raise
        self._written += len(data)


def _write_all(file: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


class Spooled:
    """The bytes of a spool, as gunicorn's Body reads them."""

    def __init__(self, spool: Spool) -> None:
        self.read = spool.recv
