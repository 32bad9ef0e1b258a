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
    return _rollup_mib(pid, "Pss:")


def anonymous_mib(pid: int) -> float:
    """The memory that the process has got for itself or from its parent, shared or not. 0 once it is gone."""
    return _rollup_mib(pid, "Anonymous:")


def _rollup_mib(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / MIB
    return 0.0


def pod_pss_mib(pid: int) -> float:
    """The same of the process and all its descendants: what a pod with nothing else in it takes."""
    return sum(map(pss_mib, family(pid)))
