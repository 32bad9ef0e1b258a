"""The state that each worker reports to the management process, in one small file in memory.

A worker maps its file and writes numbers into it. That costs less than a microsecond a request and needs no thread,
which might be stuck. The folder is new at each start. A file whose process id is not alive does not count, so a worker
that is killed does not go on reporting.
"""

from __future__ import annotations

import math
import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from nodrop.system.children import when_forked
from nodrop.system.processes import is_alive

# Native and aligned. A writer assigns one number at a time through a view of the memory, which happens in one piece;
# struct's own writing does not, and a reader would now and then see half of a number.
# Last turn of the loop, since when the oldest request waits for a thread, and since when one waits and no thread has
# taken any (both 0 if none); ready (0 or 1), threads, waiting requests, connections.
_HEADER = struct.Struct("=dddiiii")
# Of a thread's request: its start and its last progress, by time.monotonic(), 0 when idle; whether it streams (0 or 1).
_SLOT = struct.Struct("=ddd")


class WorkerReport:
    """The worker's end: it writes the file. `folder` must exist."""

    def __init__(self, folder: Path, pid: int, threads: int, streams: int = 0) -> None:
        """Create the file of a worker that has `threads` threads, for streams so many more, and is not ready."""
        self.threads = threads
        self._size = _HEADER.size + (threads + streams) * _SLOT.size
        # Under a name that is not read, until it is complete.
        new, path = folder / f".{pid}", folder / str(pid)
        new.write_bytes(bytes(self._size))
        with new.open("r+b") as file:
            self._write_to(mmap.mmap(file.fileno(), 0))
        self._counts[1] = threads
        new.rename(path)
        when_forked(self._detach)

    def _write_to(self, memory: mmap.mmap | bytearray) -> None:
        view = memoryview(memory)
        self._times = view[:24].cast("d")
        self._counts = view[24 : _HEADER.size].cast("i")
        self._slots = view[_HEADER.size :].cast("d")

    def _detach(self) -> None:
        """In a child process: write to memory of its own from now on. The file is the worker's."""
        self._write_to(bytearray(self._size))

    def set_ready(self, ready: bool) -> None:
        """Report whether the worker has loaded the application and is not stopping. Safe in a signal handler."""
        self._counts[0] = int(ready)

    def set_load(
        self, waiting: int, connections: int, since: float = 0.0, blocked_since: float = 0.0, now: float = 0.0
    ) -> None:
        """How many requests wait for a thread, the oldest since when, since when none was taken, by time.monotonic(),
        and how many connections are open. Called by the loop, at each turn. now: the time, if it is known."""
        self._times[0] = now or time.monotonic()
        self._times[1] = since
        self._times[2] = blocked_since
        self._counts[2] = waiting
        self._counts[3] = connections

    def request_started(self, thread: int, now: float | None = None) -> None:
        """The thread with this number, from 0, has started a request, now or at this time.monotonic()."""
        now = now or time.monotonic()
        # In this order: with a start there is always a progress that belongs to it.
        self._slots[3 * thread + 1] = now
        self._slots[3 * thread] = now

    def request_progressed(self, thread: int) -> None:
        """The thread's request has read or written something."""
        self._slots[3 * thread + 1] = max(self._slots[3 * thread + 1], time.monotonic())

    def request_exempt(self, thread: int) -> None:
        """The thread's request may go without progress for any time."""
        self._slots[3 * thread + 1] = math.inf

    def request_streams(self, thread: int) -> None:
        """The thread's request has given its place among the threads to another."""
        self._slots[3 * thread + 2] = 1.0

    def stalled_for(self, thread: int, now: float) -> float:
        """Seconds since the last progress of the thread's request; 0 when it is idle."""
        return now - self._slots[3 * thread + 1] if self._slots[3 * thread] else 0.0

    def request_finished(self, thread: int) -> None:
        """The thread is idle."""
        self._slots[3 * thread] = 0.0
        self._slots[3 * thread + 2] = 0.0


@dataclass(frozen=True)
class WorkerStatus:
    """What a worker has reported."""

    pid: int
    ready: bool
    """It has loaded the application and is not stopping."""
    turned: float
    """When its loop last went round, by time.monotonic(); 0 before the first time."""
    threads: int
    waiting: int
    """Requests that are complete and wait for a thread."""
    waiting_since: float
    """When the oldest of these began to wait, by time.monotonic(); 0 if there is none."""
    blocked_since: float
    """Since when requests wait and no thread has taken one, by time.monotonic(); 0 if none waits."""
    connections: int
    """Open connections, idle ones included."""
    requests: tuple[tuple[float, float], ...]
    """Of each request that one of `threads` runs: its start and its last progress, by time.monotonic()."""
    streams: tuple[tuple[float, float], ...] = ()
    """Likewise of each that has given its place to another."""
    max_streams: int = 0
    """How many may have done so."""

    @property
    def busy(self) -> int:
        """Threads that have a request in flight."""
        return len(self.requests)

    def blocked_for(self, now: float) -> float:
        """For how long, in seconds, no thread has taken a request although some came; 0 if a thread is free."""
        return max(0.0, now - self.blocked_since) if self.blocked_since else 0.0

    def wedged_for(self, now: float) -> float:
        """For how long, in seconds, every thread has run a request without progress while others waited; 0 if it has
        not. A worker in which one thread can make progress is not wedged, nor is one that nobody waits for."""
        if self.busy < self.threads or not self.blocked_since:
            return 0.0
        since = max(self.blocked_since, *(progressed for _, progressed in self.requests))
        return max(0.0, now - since)

    def longest_idle_wait(self, now: float) -> float:
        """How long a request has waited although every thread is idle, in seconds: they take none, for some reason."""
        return now - self.waiting_since if self.waiting and self.waiting_since and not self.busy else 0.0


@dataclass(frozen=True)
class WorkerState:
    """The files of all workers, in `folder`, which must exist."""

    folder: Path

    def report(self, pid: int, threads: int, streams: int = 0) -> WorkerReport:
        """Create the file of a new worker, for that worker to write."""
        return WorkerReport(self.folder, pid, threads, streams)

    def forget(self, pid: int) -> None:
        """Remove the file of a worker that has exited. May be called more than once."""
        (self.folder / str(pid)).unlink(missing_ok=True)

    def is_ready(self, pid: int) -> bool:
        """Whether the worker with this process id takes requests."""
        return any(worker.ready for worker in self.workers() if worker.pid == pid)

    def workers(self) -> list[WorkerStatus]:
        """The workers that are alive, in no order; none after the server has removed the folder."""
        try:
            paths = list(self.folder.iterdir())
        except FileNotFoundError:
            return []
        return [
            status for path in paths if path.name.isdecimal() and is_alive(int(path.name)) and (status := _read(path))
        ]


def _read(path: Path) -> WorkerStatus | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    turned, since, blocked, ready, threads, waiting, connections = _HEADER.unpack_from(data)
    all_slots = list(_SLOT.iter_unpack(data[_HEADER.size :]))
    slots = [slot for slot in all_slots if slot[0]]
    requests = tuple((started, progressed) for started, progressed, streams in slots if not streams)
    streams = tuple((started, progressed) for started, progressed, streams in slots if streams)
    return WorkerStatus(
        int(path.name), bool(ready), turned, threads, waiting, since, blocked, connections, requests, streams,
        len(all_slots) - threads,
    )  # fmt: skip
