"""The process that answers on the management port, as seen from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nodrop.management.process import NAME
from tests.serving_process import Server


def runtime_folder(server: Server) -> Path:
    """The folder that the server's processes share, by the lock on it that its master holds."""
    targets = [path.readlink() for path in Path(f"/proc/{server.process.pid}/fd").iterdir()]
    return next(target.parent for target in targets if target.name == "lock")


def supervisor(server: Server) -> int:
    """The process that gunicorn's master has forked for the management port, which has the one that answers there."""
    return next(pid for pid in children(server.process.pid) if name(pid) == NAME)


def health_server(server: Server) -> int:
    """The process that answers on the management port."""
    return children(supervisor(server))[0]


def name(pid: int) -> str:
    """The short name of a process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def children(pid: int) -> list[int]:
    """The process's children that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


@dataclass(frozen=True)
class Usage:
    """What a process uses."""

    threads: int
    files: int
    resident_bytes: int
    cpu_seconds: float


def usage(pid: int) -> Usage:
    """What the process uses now, and the CPU time it has used since its start."""
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return Usage(
        threads=int(fields[17]),
        files=len(list((process / "fd").iterdir())),
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )
