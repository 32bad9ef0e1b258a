"""What the workers tell the management process: one small file in memory for each worker.

Files, because the two share no memory. A worker maps its file and writes numbers into it, which costs less than a
microsecond a request and needs no thread that might be stuck. The folder is new at each start, and a worker that is
killed can't leave a lie behind, since its process id is checked too.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

# Native and aligned, so that a number is written in one piece: a reader never sees half of one.
_HEADER = struct.Struct("=diiii")  # last turn of the loop, ready (0 or 1), threads, waiting requests, connections
_SLOT = struct.Struct("=dd")  # of a thread's request: its start and its last progress by time.monotonic(); 0 when idle


class WorkerReport:
    """A worker's own file, written by the worker. `folder` must exist."""

    def __init__(self, folder: Path, pid: int, threads: int) -> None:
        """Make the file, for a worker with `threads` threads that is not ready yet."""
        self.threads = threads
        self._turned = 0.0
        self._counts = [0, threads, 0, 0]
        # Under a name that nobody reads until it is whole.
        new, path = folder / f".{pid}", folder / str(pid)
        new.write_bytes(bytes(_HEADER.size + threads * _SLOT.size))
        with new.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._write_counts()
        new.rename(path)

    def set_ready(self, ready: bool) -> None:
        """Whether the worker has loaded the application and is not stopping. May be called from a signal handler."""
        self._counts[0] = int(ready)
        self._write_counts()

    def set_load(self, waiting: int, connections: int) -> None:
        """How many requests wait for a thread, and how many connections are open. Called by the loop, at each turn."""
        self._turned = time.monotonic()
        self._counts[2:] = waiting, connections
        self._write_counts()

    def request_started(self, thread: int) -> None:
        """The thread with this number, from 0, has taken a request."""
        now = time.monotonic()
        _SLOT.pack_into(self._memory, self._offset(thread), now, now)

    def request_progressed(self, thread: int) -> None:
        """The thread's request has read or written something."""
        started, progressed = _SLOT.unpack_from(self._memory, self._offset(thread))
        _SLOT.pack_into(self._memory, self._offset(thread), started, max(progressed, time.monotonic()))

    def request_exempt(self, thread: int) -> None:
        """The thread's request may make no progress for as long as it likes."""
        started, _ = _SLOT.unpack_from(self._memory, self._offset(thread))
        _SLOT.pack_into(self._memory, self._offset(thread), started, math.inf)

    def stalled_for(self, thread: int, now: float) -> float:
        """Seconds since the last progress of the thread's request; 0 when it is idle."""
        started, progressed = _SLOT.unpack_from(self._memory, self._offset(thread))
        return now - progressed if started else 0.0

    def request_finished(self, thread: int) -> None:
        """The thread is idle."""
        _SLOT.pack_into(self._memory, self._offset(thread), 0.0, 0.0)

    def _write_counts(self) -> None:
        _HEADER.pack_into(self._memory, 0, self._turned, *self._counts)

    def _offset(self, thread: int) -> int:
        return _HEADER.size + thread * _SLOT.size


@dataclass(frozen=True)
class WorkerStatus:
    """What a worker's file says now."""

    pid: int
    ready: bool
    """It has loaded the application and is not stopping."""
    turned: float
    """When its loop last went round, by time.monotonic(); 0 before the first time."""
    threads: int
    waiting: int
    """Requests that are complete and wait for a thread."""
    connections: int
    """Open connections, idle ones included."""
    requests: tuple[tuple[float, float], ...]
    """Of each request that a thread has in hand: its start and its last progress, by time.monotonic()."""

    @property
    def busy(self) -> int:
        """Threads that have a request in hand."""
        return len(self.requests)

    def longest_stall(self, now: float) -> float:
        """Seconds since the last progress of the request that has made none for the longest time; 0 without any."""
        return max((now - progressed for _, progressed in self.requests), default=0.0)


@dataclass(frozen=True)
class WorkerState:
    """The workers' files, in `folder`, which must exist."""

    folder: Path

    def report(self, pid: int, threads: int) -> WorkerReport:
        """The file of a new worker, for the worker itself."""
        return WorkerReport(self.folder, pid, threads)

    def forget(self, pid: int) -> None:
        """The worker is gone. May be called more than once."""
        (self.folder / str(pid)).unlink(missing_ok=True)

    def workers(self) -> list[WorkerStatus]:
        """The workers that are alive, in no order."""
        return [
            status
            for path in self.folder.iterdir()
            if path.name.isdecimal() and _is_alive(int(path.name)) and (status := _read(path))
        ]


def _read(path: Path) -> WorkerStatus | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    turned, ready, threads, waiting, connections = _HEADER.unpack_from(data)
    slots = _SLOT.iter_unpack(data[_HEADER.size :])
    requests = tuple((started, progressed) for started, progressed in slots if started)
    return WorkerStatus(int(path.name), bool(ready), turned, threads, waiting, connections, requests)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
