"""What the worker itself measures: the wait for a thread, what it refuses, and connections that it closes early.

None of it reaches the application, so that it is in no metric of the application's requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from http import HTTPStatus

QUEUE_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds in seconds. A request that has to wait at all is one that a free thread would have spared it."""


class ServerMetrics:
    """Measures nothing: where there is no management process, nobody asks."""

    def queued(self, seconds: float) -> None:
        """A request has waited so long for a thread."""

    def refused(self, status: HTTPStatus) -> None:
        """The worker has answered a request itself."""

    def timed_out(self) -> None:
        """A request has waited for a thread for longer than QUEUE_TIMEOUT."""

    def dropped(self) -> None:
        """A request is not run, since its client has gone while it waited for a thread."""

    def closed(self, reason: str) -> None:
        """The worker has closed a connection that its client had a use for."""


@cache
def server_metrics() -> ServerMetrics:
    """The metrics of this worker, kept for the management process where there is one; the same for all who count."""
    return _Kept() if "PROMETHEUS_MULTIPROC_DIR" in os.environ else ServerMetrics()


class _Kept(ServerMetrics):
    def __init__(self) -> None:
        # Imported late: prometheus_client decides at import how it keeps values.
        from prometheus_client import CollectorRegistry, Counter, Histogram

        from nodrop.metrics.store import StoredHistogram, kept_in, own_store

        self._in_store: Callable[[], AbstractContextManager[object]] = lambda: kept_in(own_store())
        self._store = own_store()
        registry = CollectorRegistry()
        with kept_in(self._store) as made:
            Histogram(
                "nodrop_queue_seconds", "Time that requests waited for a thread, in seconds", buckets=QUEUE_BUCKETS,
                registry=registry,
            )  # fmt: skip
            self._queue = StoredHistogram(made)
            self._refused = Counter(
                "nodrop_requests_refused",
                "Requests that the server answered without the application, by status",
                ("status",),
                registry=registry,
            )
            self._timed_out = Counter(
                "nodrop_queue_timeouts",
                "Requests answered 503 since they waited for a thread for longer than QUEUE_TIMEOUT",
                registry=registry,
            )
            self._dropped = Counter(
                "nodrop_requests_dropped",
                "Requests that were not run since their client had gone while they waited for a thread",
                registry=registry,
            )
            self._closed = Counter(
                "nodrop_connections_closed",
                "Connections that the server closed before their client did, by reason",
                ("reason",),
                registry=registry,
            )

    def queued(self, seconds: float) -> None:
        store = self._store
        with store.lock:
            if store.is_open:
                self._queue.observe(seconds)

    def refused(self, status: HTTPStatus) -> None:
        with self._in_store():
            self._refused.labels(str(status.value)).inc()

    def timed_out(self) -> None:
        self._timed_out.inc()

    def dropped(self) -> None:
        self._dropped.inc()

    def closed(self, reason: str) -> None:
        with self._in_store():
            self._closed.labels(reason).inc()
