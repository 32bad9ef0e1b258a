"""Whether the server has started, is ready, is alive: what the probes are told, and why.

All of it is read from what the workers left in files, so that an answer takes a millisecond, whatever they do.
"""

from __future__ import annotations

import http.client
import logging
import re
import threading
import time
from http import HTTPStatus
from pathlib import Path

from nodrop.config.settings import ServingSettings
from nodrop.health.leaving import Leaving
from nodrop.health.load_report import LoadReport
from nodrop.health.peers import Peers
from nodrop.health.readiness import CheckResults
from nodrop.health.worker_state import WorkerState, WorkerStatus
from nodrop.system.addresses import own_address

STARTUP_INTERVAL_SECONDS = 0.05
"""How often to look whether a worker is ready for the first request."""
STARTUP_RETRY_SECONDS = 0.5
"""How long after a bad answer to ask again: it may be an error with a traceback, while a database is not there yet."""
STILL_SECONDS = 10.0
"""A worker whose loop has not gone round for this long is stuck. It does so every second unless CPU time is short."""
Answer = tuple[HTTPStatus, str]
_log = logging.getLogger(__name__)


class Health:
    """The state of one server. `folder` is the one its processes share."""

    def __init__(self, folder: Path, settings: ServingSettings) -> None:
        self._settings = settings
        self._state = WorkerState(folder / "workers")
        self._checks = CheckResults(folder / "checks")
        # A file, so that a management process that takes over from one that died does not ask again.
        self._started = folder / "started"
        self._loading = LoadReport(folder)
        peers = Peers(settings.peer_service) if settings.peer_service else None
        self._leaving = Leaving(settings.queue_timeout, peers)
        self._answer_problem = ""
        self._unready_since: float | None = None
        self._said: dict[str, str | None] = {}

    def startup(self) -> Answer:
        """Whether a request has gone through the application."""
        if self._started.exists():
            return HTTPStatus.OK, "started"
        return HTTPStatus.SERVICE_UNAVAILABLE, f"not started: {self._startup_problem()}"

    def readiness(self) -> Answer:
        """Whether requests should be sent here."""
        workers = self._ready_workers()
        problem = None
        if not self._started.exists():
            problem = self._startup_problem()
        elif not workers:
            problem = "every worker is stopping, gone or standing still"
        else:
            problem = (
                self._stall(workers)
                or self._checks.problem({worker.pid for worker in workers})
                or self._leaving.problem(workers, time.monotonic())
            )
        self._say_once("ready", problem)
        if problem:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {problem}"
        return HTTPStatus.OK, f"ready: {len(workers)} worker{'s' if len(workers) > 1 else ''}"

    def liveness(self) -> Answer:
        """Whether the server can go on without a restart.

        gunicorn's master replaces a worker that exits or whose loop is stuck. What remains are requests that make no
        progress, a loop that is stuck for longer all the same, and workers that never finish loading. How long the
        application may take to load, and to answer for the first time, is for the startup probe to decide.
        """
        limit = self._settings.stall_timeout
        workers = self._ready_workers()
        problem = self._stall(workers) or self._stuck()
        without = time.monotonic() - self._unready_since if self._unready_since is not None else 0.0
        if limit and self._started.exists() and not workers and without > limit:
            problem = f"no worker has been ready for {without:.0f} s (STALL_TIMEOUT={limit})"
        self._say_once("alive", problem)
        if problem:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"not alive: {problem}"
        return HTTPStatus.OK, "alive"

    def _say_once(self, state: str, problem: str | None) -> None:
        """Log the answer of a probe when it changes, so that the log says why a pod left the Service or was restarted.

        Numbers in it change from one probe to the next, and do not count.
        """
        kind = re.sub(r"\d+", "", problem) if problem else None
        if self._said.get(state, "") != kind:
            self._said[state] = kind
            if problem:
                _log.warning("not %s: %s", state, problem)
            else:
                _log.info("%s", state)

    def _ready_workers(self) -> list[WorkerStatus]:
        """The workers that accept requests. One whose loop is stuck accepts none, whatever it reported before."""
        now = time.monotonic()
        workers = [each for each in self._state.workers() if each.ready and now - each.turned < STILL_SECONDS]
        if workers:
            self._unready_since = None
        elif self._unready_since is None:
            self._unready_since = now
        return workers

    def _stall(self, workers: list[WorkerStatus]) -> str | None:
        """What is wrong if no thread of a worker has made progress for too long, and requests wait for one."""
        limit = self._settings.stall_timeout
        longest = max((worker.wedged_for(time.monotonic()) for worker in workers), default=0.0)
        if limit and longest > limit:
            return f"no thread has made progress for {longest:.0f} s, and requests wait (STALL_TIMEOUT={limit})"
        waited = max((worker.longest_idle_wait(time.monotonic()) for worker in workers), default=0.0)
        if limit and waited > limit:
            return f"a request has waited for {waited:.0f} s while no thread was busy (STALL_TIMEOUT={limit})"
        return None

    def _stuck(self) -> str | None:
        """What is wrong if a loaded worker has a loop that is stuck, and nobody replaces it."""
        limit = self._settings.stall_timeout
        stands = max((time.monotonic() - each.turned for each in self._state.workers() if each.ready), default=0.0)
        # The master sees it at STALL_TIMEOUT, and then kills the worker at its next look.
        if limit and stands > limit + STILL_SECONDS:
            return f"a worker has stood still for {stands:.0f} s (STALL_TIMEOUT={limit})"
        return None

    # --- The first request -------------------------------------------------------------------------------------------

    def watch_start(self) -> None:
        """Send the application its first request, from a thread, as soon as a worker is ready, until it is answered."""
        if not self._started.exists():
            threading.Thread(target=self._start, daemon=True).start()

    def _startup_problem(self) -> str:
        return self._answer_problem or self._loading.read() or "no worker has loaded the application yet"

    def _start(self) -> None:
        while not self._started.exists():
            if self._ready_workers():
                self._answer_problem = self._answer_problem or f"{_asked(self._settings)} has not been answered yet"
                self._answer_problem = self._first_request()
                if not self._answer_problem:
                    self._started.touch()
                    return
                time.sleep(STARTUP_RETRY_SECONDS)
            time.sleep(STARTUP_INTERVAL_SECONDS)

    def _first_request(self) -> str:
        """Ask for STARTUP_PATH; what is wrong with the answer, or nothing."""
        path, headers = _as_through_a_proxy(self._settings)
        asked = _asked(self._settings)
        limit = self._settings.startup_timeout
        host = own_address(self._settings.bind_address)
        connection = http.client.HTTPConnection(host, self._settings.port, timeout=limit)
        try:
            connection.request("GET", path, headers=headers)
            status = connection.getresponse().status
        except TimeoutError:
            return f"{asked} was not answered within STARTUP_TIMEOUT={limit} seconds"
        except (OSError, http.client.HTTPException) as error:
            return f"{asked} was not answered: {error!r}"
        finally:
            connection.close()
        # Any answer of the application will do: it may not have this path, or may ask for a login.
        return "" if status < HTTPStatus.INTERNAL_SERVER_ERROR else f"{asked} was answered {status}"


def _asked(settings: ServingSettings) -> str:
    return f"the first request, GET {_as_through_a_proxy(settings)[0]},"


def _as_through_a_proxy(settings: ServingSettings) -> tuple[str, dict[str, str]]:
    """The path and headers with which STARTUP_PATH reaches the application, as a client's request would."""
    headers = {"User-Agent": "startup-probe"}
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        headers["Host"] = settings.allowed_hosts[0].removeprefix(".")
    prefix = "" if settings.url_prefix_stripped else settings.url_prefix
    return prefix + settings.startup_path, headers
