"""`make doctor`: what `make run` and `make up` need on this machine, what was found, and what to do. Changes nothing.

Exit status: 1 if something is missing that `make up` needs. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cluster
import tools

GIB = 1024**3
DISK_GIB = 8
"""For the node image, the images of the application and what the nodes unpack."""
MEMORY_GIB = 3
"""A control plane and two workers take 2 GiB before anything runs on them."""
INOTIFY_INSTANCES = 128
"""The kernel's default, with which three nodes start."""
OLDEST_BUILDX = (0, 8)
OFFLINE = "where no image registry can be reached, on Debian 12 or later as root: make offline"


@dataclass(frozen=True)
class Finding:
    """What was found. remedy: what to do; empty if it is well."""

    name: str
    found: str
    remedy: str = ""
    fatal: bool = True
    """`make up`, or `make run`, can't do without it."""


def said_by(*command: str) -> str | None:
    """The first line that a command prints; None if it is not there, fails or takes longer than ten seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if not done.returncode and lines else None


def python() -> Finding:
    """The Python that runs this, which makes the environments. make refuses one that is too old before this runs."""
    found = f"{sys.version.split()[0]} ({sys.executable})"
    try:
        import ensurepip  # noqa: F401 - Debian packs it by itself
        import venv  # noqa: F401
    except ImportError:
        return Finding("python", f"{found}, without venv", "install it: apt-get install python3-venv")
    return Finding("python", found)


def make() -> Finding:
    """GNU make. Whoever got here has it."""
    found = said_by("make", "--version")
    return Finding("make", found or "none", "" if found and "GNU" in found else "install GNU make")


def git() -> Finding:
    """Only for applications that APP names by a git address."""
    found = said_by("git", "--version")
    return Finding("git", found or "none", "" if found else "install git, if APP is a git address", fatal=False)


def compiler() -> Finding:
    """Only for dependencies that come as source."""
    found = shutil.which("cc") or shutil.which("gcc")
    remedy = "" if found else "to build dependencies that have no wheel: apt-get install build-essential"
    return Finding("C compiler", found or "none", remedy, fatal=False)


def engine() -> Finding:
    """A container engine that answers."""
    try:
        cluster.require_engine()
    except cluster.ClusterError as error:
        return Finding("docker", "none" if "not on PATH" in str(error) else "does not answer", str(error))
    return Finding("docker", said_by("docker", "version", "--format", "{{.Server.Version}}") or "answers")


def buildx() -> Finding:
    """BuildKit's command, without which a Dockerfile has no cache mounts."""
    found = said_by("docker", "buildx", "version")
    version = re.search(r"v?(\d+)\.(\d+)", found or "")
    if version and (int(version[1]), int(version[2])) >= OLDEST_BUILDX:
        return Finding("docker buildx", str(found))
    return Finding("docker buildx", found or "none", f"install docker-buildx-plugin; {OFFLINE}")


def tool(name: str) -> Finding:
    """A command-line tool at its pinned version. What is not there is fetched by the target that needs it."""
    version = tools.pinned(name)
    place = tools.place(name)
    if place:
        return Finding(name, f"{version} ({place})")
    return Finding(name, f"{version} isn't installed", "nothing to do: it is downloaded when it is needed", fatal=False)


def disk() -> Finding:
    """Free space where the engine keeps its images."""
    root = said_by("docker", "info", "--format", "{{.DockerRootDir}}") or ""
    # With an engine in a virtual machine, the folder is not of this one.
    folder = root if root and Path(root).is_dir() else str(tools.ROOT)
    free = shutil.disk_usage(folder).free / GIB
    remedy = "" if free >= DISK_GIB else f"free {DISK_GIB} GiB: docker system prune removes unused images"
    return Finding("disk", f"{free:.0f} GiB free in {folder}", remedy)


def memory() -> Finding:
    """Memory of the engine, which is that of its virtual machine where it has one."""
    total = said_by("docker", "info", "--format", "{{.MemTotal}}")
    known = int(total) if total and total.isdigit() else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    has = known / GIB
    remedy = "" if has >= MEMORY_GIB else f"give the engine {MEMORY_GIB} GiB"
    return Finding("memory", f"{has:.0f} GiB", remedy)


def port(number: int) -> Finding:
    """The port that the application is served on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            return Finding(
                f"port {number}", f"not free: {error.strerror}", "stop what uses it, or choose another with PORT=<port>"
            )
    return Finding(f"port {number}", "free")


def cgroup() -> Finding:
    """The kernel's control groups: the kubelet of the official node image needs version 2."""
    version = said_by("docker", "info", "--format", "{{.CgroupVersion}}") or ""
    own = cluster.node_image()
    fits = version != "1" or bool(own)
    remedy = "" if fits else f"boot with systemd.unified_cgroup_hierarchy=1; {OFFLINE}"
    return Finding("cgroup", f"version {version}" if version else "unknown", remedy)


def inotify() -> Finding:
    """How many watches of files a user may have."""
    file = Path("/proc/sys/fs/inotify/max_user_instances")
    if not file.exists():
        return Finding("inotify", "not applicable here", fatal=False)
    limit = int(file.read_text())
    few = limit < INOTIFY_INSTANCES
    remedy = "if a node doesn't start: sysctl fs.inotify.max_user_instances=512" if few else ""
    return Finding("inotify", f"{limit} instances", remedy, fatal=False)


def kubeconfig() -> Finding:
    """Where `make deploy` would go."""
    found = said_by("kubectl", "config", "current-context")
    return Finding("current context", found or "none", "" if found else "make up creates one, for kind", fatal=False)


RUN: tuple[Callable[[], Finding], ...] = (python, make, git, compiler)
UP: tuple[Callable[[], Finding], ...] = (
    engine, buildx, *((lambda name=name: tool(name)) for name in ("helm", "kind", "kubectl")),
    disk, memory, cgroup, inotify, kubeconfig,
)  # fmt: skip


def lines(findings: list[Finding]) -> Iterator[str]:
    """A line for each finding, and its remedy below it."""
    for each in findings:
        state = "ok" if not each.remedy else "MISSING" if each.fatal else "note"
        yield f"  {state:<8} {each.name:<16} {each.found}"
        if each.remedy:
            yield f"{'':<28}=> {each.remedy}"


def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Report what this machine lacks.")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args()
    found = {
        "make run, make dev": [*(each() for each in RUN), port(arguments.port)],
        "make up, in addition": [each() for each in UP],
    }
    if arguments.json:
        print(json.dumps({name: [vars(each) for each in findings] for name, findings in found.items()}))
    else:
        for name, findings in found.items():
            print("\n".join([f"{name}:", *lines(findings)]))
    missing = [each for findings in found.values() for each in findings if each.remedy and each.fatal]
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
