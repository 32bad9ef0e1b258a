"""The rounds: each one measures every server, one after the other, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.clients.load import closed_loop
from bench.clients.results import Result
from bench.processes import SERVER_CORES, cpu_seconds, memory_mib
from bench.servers import SERVERS, running
from bench.workloads import Started, Workload

Key = tuple[str, int, bool]
WARM_UP_SECONDS = 1.0
SETTLE_SECONDS = 2.0
MOST_SECONDS = 15 * 60
"""A round that might end later, judged by those before it, is left out."""


@dataclass(frozen=True)
class Sample:
    """One workload in one round."""

    result: Result
    cpu_us: float | None
    """CPU time of all processes of the server for each answer, if there was one."""
    rss_mib: float
    pss_mib: float


@dataclass
class Measured:
    """All samples of one workload and one server, in the order of the rounds."""

    workload: Workload
    server: str
    samples: list[Sample] = field(default_factory=list)

    def figures(self, name: str) -> list[float]:
        """A figure of each round by its column, of the rounds that have it."""
        values = [getattr(each, name, getattr(each.result, name, None)) for each in self.samples]
        return [value for value in values if value is not None]

    def median(self, name: str, digits: int = 1) -> float | None:
        """The median over the rounds."""
        figures = self.figures(name)
        return round(statistics.median(figures), digits) if figures else None

    def faults(self) -> dict[str, int]:
        """Requests of all rounds that were not answered, by why."""
        return dict(sum((Counter(each.result.faults) for each in self.samples), Counter()))

    def row(self) -> dict[str, Any]:
        """The line of bench.json."""
        faults = self.faults()
        return {
            "workload": self.workload.name, "title": self.workload.title, "connections": self.workload.connections,
            "keepalive": self.workload.kept, "server": self.server,
            "rps": self.median("rps"), "cpu_us": self.median("cpu_us"), "p50_ms": self.median("p50_ms", 3),
            "p99_ms": self.median("p99_ms", 3), "p999_ms": self.median("p999_ms", 3),
            "longest_ms": self.median("longest_ms", 3),
            "errors": sum(faults.values()), "faults": faults, "loses_requests": bool(faults),
            "rss_mib": self.median("rss_mib"), "pss_mib": self.median("pss_mib"), "rounds": len(self.samples),
        }  # fmt: skip


def measure(
    servers: Sequence[str], plan: Sequence[Workload], rounds: int, cores: Collection[int] = SERVER_CORES
) -> list[Measured]:
    """Measure each workload of `plan` under each server on `cores`. `rounds`: at most; a workload may want fewer."""
    table = {(each.key, name): Measured(each, name) for each in plan for name in servers}
    began, done = time.monotonic(), 0.0
    for number in range(rounds):
        due = [each for each in plan if number < each.rounds]
        done += (more := sum(each.seconds + 1 for each in due))
        if number and (time.monotonic() - began) * done / (done - more) > MOST_SECONDS:
            _say("it has taken so long that there is no other round")
            break
        together = [each for each in due if not each.alone]
        # The other way round each time: what comes after a dear server, or last, is not always the same one.
        for name in servers if number % 2 == 0 else reversed(servers):
            _say(f"round {number + 1} of {rounds}: {SERVERS[name].title}")
            for start in [together, *([each] for each in due if each.alone)]:
                for workload, sample in _one_start(name, start, cores):
                    table[workload.key, name].samples.append(sample)
    return [each for each in table.values() if each.samples]


def _one_start(name: str, workloads: Sequence[Workload], cores: Collection[int]) -> list[tuple[Workload, Sample]]:
    """Start the server, warm it up, and run the workloads one after the other."""
    if not workloads:
        return []
    with running(SERVERS[name], cores=cores) as server:
        closed_loop(server.port, "/", connections=8, seconds=WARM_UP_SECONDS)
        started = Started(server)
        return [(each, _sample(started, each)) for each in workloads]


def _sample(started: Started, workload: Workload) -> Sample:
    pid = started.server.process.pid
    before = cpu_seconds(pid)
    result = workload.run(started, workload)
    used = cpu_seconds(pid) - before
    rss, pss = memory_mib(pid)
    if not workload.alone:
        _settle(pid)
    answers = result.answered + result.answered_later
    return Sample(result, used / answers * 1e6 if answers else None, rss, pss)


def _settle(pid: int) -> None:
    """Wait until the server has nothing more to do for clients that are gone, or SETTLE_SECONDS."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = cpu_seconds(pid)
        if now - before < 0.015:
            return
        before = now


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
