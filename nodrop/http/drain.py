"""The stop of a worker: what has begun is finished, for as long as the grace period lasts."""

from __future__ import annotations

import time
from typing import Any

from nodrop.http.answers.refusals import Refusals
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.stages import Stage
from nodrop.http.event_loop.accepting import Acceptor
from nodrop.http.event_loop.lifecycle import Lifecycle
from nodrop.http.event_loop.loop import Loop
from nodrop.http.threads.in_flight import InFlight
from nodrop.http.threads.pool import Threads
from nodrop.http.threads.request_queue import RequestQueue
from nodrop.http.threads.watch import Watch

TICK_SECONDS = 0.1
LOOK_SECONDS = 0.02
"""How often it is looked whether all is finished."""


class Drain:
    """Finishes the requests in flight and those on their way, and says which it could not."""

    def __init__(
        self,
        loop: Loop,
        acceptor: Acceptor,
        lifecycle: Lifecycle,
        threads: Threads,
        queue: RequestQueue,
        watch: Watch,
        refusals: Refusals,
        in_flight: InFlight,
        log: Any,
        *,
        graceful_timeout: int,
    ) -> None:
        """log: gunicorn's. graceful_timeout: in seconds."""
        self._loop = loop
        self._acceptor = acceptor
        self._lifecycle = lifecycle
        self._threads = threads
        self._queue = queue
        self._watch = watch
        self._refusals = refusals
        self._in_flight = in_flight
        self._log = log
        self._graceful_timeout = graceful_timeout
        self._has_begun = False

    def run(self) -> None:
        """Return when no connection is left, or the grace period is over."""
        deadline = time.monotonic() + self._graceful_timeout
        self._loop.call(self._begin)
        while not self._is_over() and time.monotonic() < deadline:
            self._watch.look(LOOK_SECONDS)
        with self._loop.lock:
            self._lifecycle.send_held()
            self._say_what_is_cut()

    def _begin(self) -> None:
        self._loop.tick_seconds = TICK_SECONDS
        self._acceptor.stop()
        self._lifecycle.stop()
        self._has_begun = True

    def _is_over(self) -> bool:
        return self._has_begun and not self._loop.connections and not self._threads.finishing

    def _say_what_is_cut(self) -> None:
        now = time.monotonic()
        for environ, began in self._in_flight.all():
            self._in_flight.log(
                f"cut off after {now - began:.1f} s, since GRACEFUL_TIMEOUT={self._graceful_timeout} is over", environ
            )
        if waiting := len(self._queue):
            self._log.error("%d requests that waited for a thread are cut off too", waiting)
        for connection in self._loop.connections:
            if connection.stage is Stage.SENDING and connection.behind:
                self._lifecycle.log_behind(connection, "has not taken its answer within GRACEFUL_TIMEOUT")
            elif connection.stage in (Stage.HEAD, Stage.BODY):
                self._say_that_it_had_not_arrived(connection)

    def _say_that_it_had_not_arrived(self, connection: Connection) -> None:
        if connection.request is None:
            self._log.error("a request of %s, cut off in its head: GRACEFUL_TIMEOUT is over", connection.client[0])
            return
        environ = self._refusals.environ_of(connection, connection.request)
        what = f"cut off before it had arrived: GRACEFUL_TIMEOUT={self._graceful_timeout} is over"
        self._in_flight.log(what, environ)
