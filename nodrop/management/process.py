"""The processes that serve health and metrics, apart from those that serve the application.

The kubelet must hear the truth while every thread of every worker is stuck, so nothing here needs a worker: the
process reads what the workers left in files. It has its own port so that the Service, which leads to the application's
port only, exposes neither health nor metrics.

gunicorn's master forks it when the application's port is bound. It serves from a child of its own, which it replaces
should that ever die, and ends when the master does.
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from nodrop.config.settings import ServingSettings
from nodrop.health.probes import Health
from nodrop.health.worker_state import WorkerState
from nodrop.logs import output as logs
from nodrop.management.paths import Paths
from nodrop.management.scrapes import Scrapes
from nodrop.management.server import Server, Waker, listen
from nodrop.metrics.exposition import Exposition
from nodrop.system.forked import Forked

NAME = "nodrop-health"
MASTERS_SIGNALS = (
    *(signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU),
)
"""Not for here, but `pkill -HUP -f gunicorn` finds this process too, which has the master's command line. Health must
be answered until the last worker has finished; then comes SIGTERM."""
PARENT_CHECK_SECONDS = 0.5
SWITCH_SECONDS = 0.0005
"""For how long a thread may compute while another waits: Python's 5 ms, at each of the files that a probe reads, would
make a probe wait for a scrape."""
_log = logging.getLogger("nodrop.management.process")


def start(folder: Path, settings: ServingSettings) -> Forked:
    """Start it from this process, gunicorn's master. folder: the one that the server's processes share."""

    def failed(error: BaseException) -> None:
        _log.critical("the management process has failed", exc_info=error)

    # Asked for here: a child may begin when its parent has ended.
    master = os.getpid()
    return Forked(NAME, lambda: _supervise(folder, settings, master), failed=failed)


def _supervise(folder: Path, settings: ServingSettings, master: int) -> None:
    """Have a child that serves, until the master ends."""
    for number in MASTERS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # A probe must not wait for whoever reads the log.
    logs.configure(settings, patience=0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    supervisor = os.getpid()
    while os.getppid() == master:
        # What arrives in the middle of forking would be swallowed by what runs in the child first, with a traceback.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        server = os.fork()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if server == 0:
            _serve(folder, settings, master, supervisor)
        _wait_for(server, master)


def _serve(folder: Path, settings: ServingSettings, master: int, supervisor: int) -> NoReturn:
    """Serve until the process that forked this one, the supervisor, ends."""
    threading.Thread(target=_end_with, args=(supervisor,), daemon=True).start()
    sys.setswitchinterval(SWITCH_SECONDS)
    address = settings.bind_address
    # First of all, so that a probe waits for a moment instead of being refused.
    listener = listen(address, settings.management_port)
    health = Health(folder, settings)
    health.watch_start()
    exposition = Exposition(folder, WorkerState(folder / "workers"), address=address, port=settings.port, master=master)
    exposition.start_merging()
    waker = Waker()
    scrapes = Scrapes(exposition, waker.wake)
    scrapes.start()
    paths = Paths(health, scrapes)
    server = Server(listener, respond=paths.respond, forget=paths.forget)
    server.call_on(waker, scrapes.deliver)
    server.serve_forever()


def _end_with(parent: int) -> None:
    """End this process once `parent` is gone. Polled, since no signal for it exists on every system."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def _wait_for(server: int, master: int) -> None:
    """Wait until `server` has died, and say so; end this process, and so `server`, once `master` is gone."""
    while os.getppid() == master:
        pid, status = os.waitpid(server, os.WNOHANG)
        if pid:
            exit_code = {"exit_code": os.waitstatus_to_exitcode(status)}
            _log.error("health server died, starting another", extra=exit_code)
            time.sleep(PARENT_CHECK_SECONDS)
            return
        time.sleep(PARENT_CHECK_SECONDS)
