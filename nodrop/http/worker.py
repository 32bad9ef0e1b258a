"""The gunicorn worker: one loop does all the waiting for clients, and the thread that runs it runs the application too.

A request is run when it is complete, its body included, and an answer that its client is slow to take is left to the
loop. When the application takes long, another thread runs the loop (docs/request-path.md). So a slow client costs
memory or disk space, and no thread, within limits. gunicorn's parser decides about every request that is out of the
ordinary. Its own threaded worker gives a thread to each slow client (docs/behaviour.md has the figures of both).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from gunicorn.workers import base

from nodrop.http.answers.answering import Answering
from nodrop.http.answers.refusals import Refusals
from nodrop.http.connection.connection import Connection
from nodrop.http.drain import Drain
from nodrop.http.event_loop.accepting import ACCEPT_BATCH, Acceptor
from nodrop.http.event_loop.lifecycle import Lifecycle
from nodrop.http.event_loop.loop import Loop
from nodrop.http.threads.in_flight import InFlight
from nodrop.http.threads.pool import Threads
from nodrop.http.threads.request_queue import RequestQueue
from nodrop.http.threads.stalls import Stalls
from nodrop.http.threads.watch import Watch
from nodrop.metrics.worker_metrics import server_metrics
from nodrop.server.worker_process import WorkerProcess
from nodrop.system import children
from nodrop.system.addresses import give_up_after

LOOK_SECONDS = 1.0
"""How long the main thread sleeps while nothing happens."""
VANISHED_SECONDS = 5
"""How long after WRITE_TIMEOUT the kernel ends a connection: the worker, which logs the cause, is to come first."""


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
        self._threads.start()
        while self.alive:
            self._watch.look(LOOK_SECONDS)
        self.report.set_ready(False)
        self._drain.run()
        self.signals.hand_over()

    def _prepare(self) -> None:
        settings, log, cfg = self.settings, self.log, self.cfg
        metrics = server_metrics()
        loop = self._loop = Loop(log)
        # gunicorn made this pipe for signals to write to.
        watch = self._watch = Watch(self.PIPE[0], self.signals.pass_on)
        in_flight = InFlight(log)
        refusals = Refusals(log, metrics, settings)
        lifecycle = Lifecycle(
            loop, settings, self.report, refusals, metrics, cfg=cfg, log=log,
            hand_over=self._hand_over, hand_over_finish=self._hand_over_finish,
        )  # fmt: skip
        queue = self._queue = RequestQueue(
            settings.queue_timeout, too_late=lifecycle.refuse_waiting, gone=lifecycle.drop_waiting
        )
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
        threads = self._threads = Threads(
            settings.threads, loop, queue, lifecycle, answering, self.report, in_flight, log,
            max_streams=settings.max_streams, wake_watch=watch.wake,
        )  # fmt: skip
        watch.over(loop, threads, queue)
        for listener in self.sockets:
            give_up_after(listener, settings.write_timeout + VANISHED_SECONDS)
        acceptor = self._acceptor(loop, lifecycle)
        lifecycle.on_room = acceptor.resume
        stalls = Stalls(threads.all, self.report, in_flight, settings.stall_timeout)
        loop.ticks += [self._tick, queue.expire, acceptor.tick, stalls.tick]
        loop.after_turn = self._report_load
        self._drain = Drain(
            loop, acceptor, lifecycle, threads, queue, watch, refusals, in_flight, log,
            graceful_timeout=settings.graceful_timeout,
        )  # fmt: skip
        acceptor.resume()

    def _tick(self, now: float) -> None:  # noqa: ARG002 - as ticks are
        self.notify()
        if self.ppid != os.getppid() and self.alive:
            self.log.warning("the master is gone, stopping")
            self.alive = False
        self.stop_if_replaced()
        if not self.alive:
            self._watch.wake()

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
        self._queue.put(connection)

    def _hand_over_finish(self, finish: Callable[[], None]) -> None:
        self._threads.finishing += 1
        self._queue.put(finish)

    def _report_load(self, now: float) -> None:
        queue = self._queue
        self.report.set_load(len(queue), len(self._loop.connections), queue.waiting_since, queue.blocked_since, now)

    def own_descriptors(self) -> set[int]:
        """The loop's and the watch's too."""
        parts = [part for name in ("_loop", "_watch") if (part := getattr(self, name, None))]
        return super().own_descriptors().union(*(part.descriptors for part in parts))
