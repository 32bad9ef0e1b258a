"""Processes that are measured: their CPU time and memory with those that they started, and the cores they run on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from contextlib import suppress

from delivery.sizing.measuring.processes import PROC, tree

TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {_CORES[0]}
"""One core for each server, as a pod with a limit of one has it."""
ANY_CORE = set(_CORES)
"""For a server as in a pod without a core of its own, whose threads run on several at once."""
CLIENT_CORES = set(_CORES[1:]) or SERVER_CORES
"""Where the clients run, so that they take nothing from the server. The same core where there is only one."""


def pin(process: subprocess.Popen[bytes], cores: Collection[int]) -> None:
    """Keep a process that has just been started on these cores, with all that it starts."""
    os.sched_setaffinity(process.pid, cores)


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of the process, its descendants, and those of them that have ended.

    The kernel counts it in hundredths of a second.
    """
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = (PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of the process and its descendants in MiB: added up, and with shared pages counted once (PSS)."""
    totals = {"Rss": 0, "Pss": 0}
    for each in tree(pid):
        with suppress(OSError):
            for line in (PROC / str(each) / "smaps_rollup").read_text().splitlines():
                name = line.partition(":")[0]
                if name in totals:
                    totals[name] += int(line.split()[1])
    return totals["Rss"] / 1024, totals["Pss"] / 1024
