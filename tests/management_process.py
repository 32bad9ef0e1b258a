"""The process that answers on the management port, as seen from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.serving_process import Server


def health_server(server: Server) -> int:
    """The process that answers on the management port: the younger of the two that have it in their command."""
    wanted = f"nodrop.management.process {server.management_port}".encode().split()
    found = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if set(wanted) <= set(path.read_bytes().split(b"\0"))
    ]
    assert len(found) == 2
    return max(found)


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
