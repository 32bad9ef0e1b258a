"""`nodrop reload`: each worker is replaced by one that loads the application anew, and ends only once that one serves.

After SIGHUP gunicorn ends the workers first, so nobody answers while the application loads; and where that can't be
loaded, the whole server ends. Here the workers that run serve on instead (nodrop/server/replacement.py).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from nodrop.health.worker_state import WorkerState
from nodrop.server.replacement import Progress, Replacement
from nodrop.system.processes import is_alive
from nodrop.system.runtime_folder import MASTER_FILE, living_servers

LOOK_SECONDS = 0.02
"""How often it is looked whether a replacement serves. A pod has a few workers, and each look reads their files."""


class ReloadError(Exception):
    """The workers can't be replaced; str() says why and what to do."""


class NotServing(ReloadError):
    """No worker serves yet, or any more."""


@dataclass(frozen=True)
class Server:
    """A server that runs. master: the process id of gunicorn's master. folder: what its processes share."""

    master: int
    folder: Path


def servers() -> list[Server]:
    """The servers of this user in this container, or in those that share its processes."""
    found = []
    for folder in living_servers():
        try:
            master = int((folder / MASTER_FILE).read_text())
        except (OSError, ValueError):
            continue  # It is starting, or ending.
        if is_alive(master):
            found.append(Server(master, folder))
    return sorted(found, key=lambda server: server.master)


def find_server(master: int | None = None) -> Server:
    """The server with this master, by default the only one. Raises ReloadError if there is none, or a choice."""
    found = servers()
    if master is not None:
        found = [each for each in found if each.master == master]
    if not found:
        wanted = "" if master is None else f" with the process id {master}"
        raise ReloadError(f"no server of nodrop{wanted} runs here: start gunicorn --config python:nodrop.gunicorn")
    if len(found) > 1:
        listed = " or ".join(f"--master {each.master}" for each in found)
        raise ReloadError(f"{len(found)} servers of nodrop run here: choose one with {listed}")
    return found[0]


def reload(server: Server) -> int:
    """Replace each worker that serves, one after the other, and return how many there were.

    Takes as long as the application takes to load, for each worker. Raises ReloadError when a replacement can't load
    it: the worker that it was to replace serves on, as do those after it.
    """
    state = WorkerState(server.folder / "workers")
    old = sorted(worker.pid for worker in state.workers() if worker.ready)
    if not old:
        raise NotServing("no worker serves yet: each will load the application as it is now")
    for number, pid in enumerate(old, 1):
        if not _replace(server, state, pid):
            raise ReloadError(
                f"the application can't be loaded: {len(old) - number + 1} of {len(old)} workers serve on with what "
                "they had loaded. The log has the traceback; nodrop check --app tells the cause"
            )
    return len(old)


def _replace(server: Server, state: WorkerState, pid: int) -> bool:
    """Replace a worker, and return when it takes no more requests; whether its replacement serves."""
    replacement = Replacement(server.folder, state, master=server.master, pid=pid)
    try:
        while (progress := replacement.progress()) is Progress.WAITING:
            if not is_alive(server.master):
                raise ReloadError("the server has ended meanwhile")
            time.sleep(LOOK_SECONDS)
    finally:
        replacement.release()
    if progress is Progress.FAILED:
        # One that was killed meanwhile is replaced all the same.
        return not is_alive(pid)
    os.kill(pid, signal.SIGTERM)
    while state.is_ready(pid):
        time.sleep(LOOK_SECONDS)
    return True
