"""Processor time, memory and files of the server's processes together, under the standard names `process_*`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Process:
    cpu_seconds: float
    """Its own and that of the children that have ended and been waited for."""
    threads: int
    virtual_bytes: int
    resident_bytes: int
    started: float
    """Seconds since the system was booted."""
    open_files: int
    max_files: float


class Processes:
    """A collector. `pids`: the server's processes, gunicorn's master first. Nothing where there is no /proc."""

    def __init__(self, pids: Callable[[], list[int]], proc: Path = Path("/proc")) -> None:
        self._pids = pids
        self._proc = proc
        self._cpu_seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        """Read /proc."""
        # The master first: a worker that ends in between is then in neither, which the maximum below puts right,
        # rather than in both, which nothing could.
        processes = [process for pid in self._pids() if (process := _read(self._proc / str(pid)))]
        if not processes:
            return
        # A dead worker's time is its parent's from when that has waited for it. In between, it is nobody's.
        self._cpu_seconds = max(self._cpu_seconds, sum(process.cpu_seconds for process in processes))
        # A limit is one process's, so the one that is nearest to its own is shown.
        fullest = max(processes, key=lambda process: process.open_files / process.max_files)
        yield CounterMetricFamily(
            "process_cpu_seconds", "User and system CPU time of the server's processes", value=self._cpu_seconds
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes",
            "Resident memory of the server's processes; shared pages are counted for each process",
            value=sum(process.resident_bytes for process in processes),
        )
        yield GaugeMetricFamily(
            "process_virtual_memory_bytes",
            "Virtual memory of the server's processes",
            value=sum(process.virtual_bytes for process in processes),
        )
        yield GaugeMetricFamily(
            "process_threads",
            "Threads of the server's processes, main threads included",
            value=sum(process.threads for process in processes),
        )
        yield GaugeMetricFamily(
            "process_open_fds",
            "Open file descriptors of the server's process that is nearest to its limit",
            value=fullest.open_files,
        )
        yield GaugeMetricFamily(
            "process_max_fds",
            "File descriptor limit of the process that process_open_fds describes",
            value=fullest.max_files,
        )
        yield from self._started(processes[0])

    def _started(self, master: _Process) -> Iterator[Metric]:
        if booted := _boot_time(self._proc):
            yield GaugeMetricFamily(
                "process_start_time_seconds",
                "Start time of the server since the Unix epoch, in seconds",
                value=booted + master.started,
            )


def _read(process: Path) -> _Process | None:
    """None for a process that is gone."""
    try:
        # After the name, which may have anything in it.
        fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return _Process(
            cpu_seconds=sum(map(int, fields[11:15])) / _TICKS,
            threads=int(fields[17]),
            started=int(fields[19]) / _TICKS,
            virtual_bytes=int(fields[20]),
            resident_bytes=int(fields[21]) * _PAGE,
            open_files=sum(1 for _ in (process / "fd").iterdir()),
            max_files=_max_files(process),
        )
    except OSError:
        return None


def _max_files(process: Path) -> float:
    for line in (process / "limits").read_text().splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return float("inf") if soft == "unlimited" else float(soft)
    return float("inf")


def _boot_time(proc: Path) -> float | None:
    try:
        for line in (proc / "stat").read_text().splitlines():
            if line.startswith("btime "):
                return float(line.split()[1])
    except OSError:
        pass
    return None
