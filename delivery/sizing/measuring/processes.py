"""What a server's processes use together: CPU time, the wait for a CPU, and memory. Linux only: read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KIB = 1024
_CPU_CLOCK = 2
"""CPUCLOCK_SCHED of the kernel: user and system time of a process, in nanoseconds, its ended threads included."""


@dataclass(frozen=True)
class Usage:
    """Since the processes were started, in seconds."""

    cpu: float
    """User and system time of the processes, and of their children that have ended."""
    delay: float
    """Time in which a thread could have run, but other processes had the CPU."""

    def since(self, before: Usage) -> Usage:
        """The difference. Threads that have ended meanwhile take their delay with them, so it is 0 at least."""
        return Usage(self.cpu - before.cpu, max(0.0, self.delay - before.delay))


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    pss: int
    """Proportional set size: a page that n processes share counts a n-th for each."""
    peak: int
    """The same, with the most that each process has had resident so far."""


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in (PROC / str(parent) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def usage(pid: int) -> Usage | None:
    """What the process and its descendants have used; None where there is no /proc."""
    if not (PROC / "self/stat").exists():
        return None
    cpu = delay = 0.0
    for each in tree(pid):
        with suppress(OSError):
            # As clock_getcpuclockid() of the C library computes the clock's number; /proc/PID/stat has hundredths.
            cpu += time.clock_gettime((~each << 3) | _CPU_CLOCK) + _ended_children_seconds(each)
        with suppress(OSError):
            delay += sum(map(_delay_seconds, (PROC / str(each) / "task").iterdir()))
    return Usage(cpu, delay)


def _ended_children_seconds(pid: int) -> float:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _delay_seconds(task: Path) -> float:
    """0 where the kernel does not count it, and for a thread that has just ended."""
    with suppress(OSError):
        return int((task / "schedstat").read_text().split()[1]) / 1e9
    return 0.0


def memory(pid: int) -> Memory | None:
    """The memory of the process and its descendants; None where it can't be read."""
    pss = above = 0
    for each in tree(pid):
        folder = PROC / str(each)
        with suppress(OSError, KeyError):
            rolled, status = _fields(folder / "smaps_rollup"), _fields(folder / "status")
            pss += rolled["Pss"]
            above += status["VmHWM"] - status["VmRSS"]
    return Memory(pss * KIB, (pss + max(0, above)) * KIB) if pss else None


def _fields(file: Path) -> dict[str, int]:
    """The fields of a file of /proc that are in kB."""
    lines = (line.split() for line in file.read_text().splitlines() if line.endswith(" kB"))
    return {words[0].removesuffix(":"): int(words[1]) for words in lines}


def idle_cores(wait: Callable[[], object], stat: Path = PROC / "stat", cores: int | None = None) -> float | None:
    """How many of the machine's cores are idle during `wait`; None where there is no /proc. cores: this machine's."""
    if not stat.exists():
        return None
    before = _times(stat)
    wait()
    busy, idle = (after - earlier for after, earlier in zip(_times(stat), before, strict=True))
    return (cores or os.cpu_count() or 1) * idle / max(1, busy + idle)


def _times(stat: Path) -> tuple[int, int]:
    """Time of all cores so far, in the kernel's ticks: busy, and idle or waiting for a disk."""
    fields = [int(each) for each in stat.read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, idle
