"""The gunicorn worker: threads run the application, one loop does all the waiting for clients.

A request is handed to a thread when it is complete, its body included, and an answer that its client is slow to take is
left to the loop. So a slow client costs memory or disk space, and no thread, within limits. gunicorn's parser and
response classes do the HTTP. Its own threaded worker gives a thread to each slow client (docs/behaviour.md has the
figures of both).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from gunicorn.workers import base

from nodrop.http.accepting import ACCEPT_BATCH, Acceptor
from nodrop.http.answers.answering import Answering
from nodrop.http.answers.refusals import Refusals
from nodrop.http.connection.connection import Connection
from nodrop.http.drain import Drain
from nodrop.http.in_flight import InFlight
from nodrop.http.lifecycle import Lifecycle
from nodrop.http.loop import Loop
from nodrop.http.stalls import Stalls
from nodrop.http.threads import Threads
from nodrop.metrics.worker_metrics import server_metrics
from nodrop.server.worker_process import WorkerProcess
from nodrop.system import children

TICK_SECONDS = 1.0
"""How often deadlines are looked at."""


class Worker(WorkerProcess, base.Worker):  # type: ignore[misc]  # gunicorn has no type information
    """Puts the parts together, and runs them from its start to SIGTERM."""

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests in flight."""
        if children.is_child:
            children.leave("the start of the worker")
        self._prepare()
        # Only now, since a readiness check may set handlers too.
        self.signals.stand()
        self.report.set_load(0, 0)
        self.report.set_ready(self.alive)
        while self.alive:
            self._loop.turn(TICK_SECONDS)
            if self.ppid != os.getppid():
                self.log.warning("the master is gone, stopping")
                self.alive = False
        self.report.set_ready(False)
        self._drain.run()
        self.signals.hand_over()

    def _prepare(self) -> None:
        settings, log, cfg = self.settings, self.log, self.cfg
        metrics = server_metrics()
        # gunicorn made this pipe for signals to write to; threads use it too.
        loop = self._loop = Loop(self.PIPE, log)
        loop.on_wake = self.signals.pass_on
        in_flight = InFlight(log)
        refusals = Refusals(cfg, log, metrics, settings)
        threads = self._threads = Threads(self.report.threads, self.report, in_flight, log)
        loop.ticks.append(lambda _: self.notify())
        lifecycle = Lifecycle(
            loop, settings, self.report, refusals, metrics, cfg=cfg, log=log,
            hand_over=self._hand_over, hand_over_finish=threads.hand_over_finish,
        )  # fmt: skip
        acceptor = self._acceptor(loop, lifecycle)
        lifecycle.on_room = acceptor.resume
        stalls = Stalls(threads.threads, self.report, in_flight, settings.stall_timeout)
        loop.ticks += [acceptor.tick, stalls.tick, lambda _: self.stop_if_replaced()]
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
            security_headers=refusals.security_headers,
            pre_request=self._own_hook("pre_request"),
            post_request=self._own_hook("post_request"),
        )
        threads.start(loop, lifecycle, answering)

    def _acceptor(self, loop: Loop, lifecycle: Lifecycle) -> Acceptor:
        return Acceptor(
            self.sockets,
            loop,
            self.log,
            # One at a time where several workers accept, or the first to wake would take them all.
            batch=ACCEPT_BATCH if self.cfg.workers == 1 else 1,
            max_connections=self.settings.max_connections,
            open_connection=lifecycle.open,
            close_to_make_room=lifecycle.close_to_make_room,
        )

    def _own_hook(self, name: str) -> Callable[..., None] | None:
        """The hook that is configured, or None for gunicorn's, which does nothing of use and would be called always."""
        hook = getattr(self.cfg, name)
        return None if hook is self.cfg.settings[name].default else functools.partial(hook, self)

    def _hand_over(self, connection: Connection) -> None:
        self.nr += 1
        self._threads.hand_over(connection)

    def _report_load(self) -> None:
        self.report.set_load(self._threads.waiting, len(self._loop.connections), self._threads.waiting_since)

    def own_descriptors(self) -> set[int]:
        """The loop's too."""
        loop = getattr(self, "_loop", None)
        return super().own_descriptors() | ({loop.descriptor} if loop else set())
