"""How much memory the processes of a server take, together."""

from __future__ import annotations

import contextlib
from pathlib import Path

MIB = 1024.0


def family(pid: int) -> list[int]:
    """The process and its descendants, those that run now."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += family(int(child))
    return found


def pss_mib(pid: int) -> float:
    """The process's proportional set size: a page that n processes share counts a n-th for each. 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / MIB
    return 0.0


def pod_pss_mib(pid: int) -> float:
    """The same of the process and all its descendants: what a pod with nothing else in it takes."""
    return sum(map(pss_mib, family(pid)))
