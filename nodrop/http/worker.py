"""The gunicorn worker: threads run the application, one loop does all the waiting for clients.

A request is handed to a thread when it is complete, its body included, and an answer that its client is slow to take is
left to the loop. So a slow client costs memory or disk space, and no thread, within limits. gunicorn's parser and
response classes do the HTTP; what its own threaded worker does with them can be stopped by forty slow clients
(docs/serving.md has the figures).
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from gunicorn.workers import base

from nodrop.config.settings import ServingSettings
from nodrop.health.worker_state import WorkerReport
from nodrop.http.accepting import ACCEPT_BATCH, Acceptor
from nodrop.http.answering import Answering
from nodrop.http.connection.connection import Connection
from nodrop.http.drain import Drain
from nodrop.http.in_flight import InFlight
from nodrop.http.lifecycle import Lifecycle
from nodrop.http.loop import Loop
from nodrop.http.refusals import Refusals
from nodrop.http.stalls import Stalls
from nodrop.http.threads import Threads
from nodrop.metrics.server import server_metrics
from nodrop.server.replacement import Replaceable

TICK_SECONDS = 1.0
"""How often deadlines are looked at."""


class Worker(Replaceable, base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """Puts the parts together, and runs them from its start to SIGTERM."""

    settings: ServingSettings
    """Set by the hook post_fork, as is `report`."""
    report: WorkerReport
    alive: bool

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests in flight."""
        self._prepare()
        self.report.set_load(0, 0)
        self.report.set_ready(True)
        while self.alive:
            self._loop.turn(TICK_SECONDS)
            if self.ppid != os.getppid():
                self.log.warning("the master is gone, stopping")
                self.alive = False
        self.report.set_ready(False)
        self._drain.run()

    def _prepare(self) -> None:
        settings, log, cfg = self.settings, self.log, self.cfg
        metrics = server_metrics()
        # gunicorn made this pipe for signals to write to; threads use it too.
        loop = self._loop = Loop(self.PIPE, log)
        in_flight = InFlight(log)
        refusals = Refusals(cfg, log, metrics, settings)
        threads = self._threads = Threads(self.report.threads, self.report, in_flight, log)
        loop.ticks.append(lambda _: self.notify())
        lifecycle = Lifecycle(
            loop, settings, self.report, refusals, metrics, cfg=cfg, log=log, hand_over=self._hand_over
        )
        acceptor = Acceptor(
            self.sockets,
            loop,
            log,
            # One at a time where several workers accept, or the first to wake would take them all.
            batch=ACCEPT_BATCH if cfg.workers == 1 else 1,
            max_connections=settings.max_connections,
            open_connection=lifecycle.open,
            close_to_make_room=lifecycle.close_to_make_room,
        )
        lifecycle.on_room = acceptor.resume
        stalls = Stalls(threads.threads, self.report, in_flight, settings.stall_timeout)
        loop.ticks += [acceptor.tick, stalls.tick, self._stop_if_replaced]
        loop.after_turn = self._report_load
        self._drain = Drain(
            loop, acceptor, lifecycle, threads, refusals, in_flight, log, graceful_timeout=settings.graceful_timeout
        )
        acceptor.resume()
        answering = Answering(
            self.wsgi,
            in_flight,
            metrics,
            cfg=cfg,
            log=log,
            stopping=lambda: not self.alive,
            pre_request=self._own_hook("pre_request"),
            post_request=self._own_hook("post_request"),
        )
        threads.start(loop, lifecycle, answering)

    def _own_hook(self, name: str) -> Callable[..., None] | None:
        """The hook that is configured, or None for gunicorn's, which does nothing of use and would be called always."""
        hook = getattr(self.cfg, name)
        return None if hook is self.cfg.settings[name].default else functools.partial(hook, self)

    def _hand_over(self, connection: Connection) -> None:
        self.nr += 1
        self._threads.hand_over(connection)

    def _stop_if_replaced(self, now: float) -> None:  # noqa: ARG002 - as ticks are
        if self.alive and self.is_replaced():
            self.alive = False

    def _report_load(self) -> None:
        self.report.set_load(self._threads.waiting, len(self._loop.connections), self._threads.waiting_since)

    # --- Signals -----------------------------------------------------------------------------------------------------

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM: finish the requests in flight and stop. The signal itself wakes the loop, through the pipe."""
        self.alive = False
        if not self.booted:
            raise SystemExit  # The application is still being loaded; nothing is in flight.
        self.report.set_ready(False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """SIGQUIT: stop at once, whatever is in flight."""
        os._exit(0)

    def init_signals(self) -> None:
        """gunicorn's, but for Ctrl-C: it reaches the workers too, and what becomes of them is the master's decision."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
