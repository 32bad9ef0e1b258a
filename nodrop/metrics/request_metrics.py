"""What is measured of each request, at the edge between server and application.

The metrics are those of prometheus-flask-exporter, with its names and labels, so that its dashboards work, and a few
that it has not. The exporter measures in Flask's hooks, which is too early: it counts as 200 what became a 500 in a
later hook, in saving the session or in teardown, it does not see streamed bodies and what goes wrong in them, nor what
middleware answers, and of several applications in one process it sees one. So it declares its metrics here, and they
are fed from a WSGI wrapper, which sees what the client gets.

A request is counted just before its last byte is handed to the server: an answer that a client has in full is counted.
The values are kept in files (store.py), so that the management process can add them up and serve them, whatever the
workers are doing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask import Flask, got_request_exception, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector
from prometheus_flask_exporter import PrometheusMetrics

from nodrop.metrics.store import StoredHistogram, StoredValue, ValueStore, kept_in, own_store
from nodrop.wsgi import body, route

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that get series of their own, as do those that the matched route names. A client can make up others."""
OTHER = "_OTHER"
"""Stands for a method, route or status that gets no series of its own (the name is OpenTelemetry's)."""
STATUSES = frozenset(str(status.value) for status in HTTPStatus)
MAX_SERIES = 2000
"""Combinations of method, route and status that a worker tells apart; what comes later is counted under OTHER."""
SIZE_BUCKETS = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
_EXCHANGE = "nodrop.exchange"


class _Series(NamedTuple):
    """The numbers of one label set."""

    durations: StoredHistogram
    total: StoredValue
    sizes: StoredHistogram


class _Declared(CollectorRegistry):
    """A registry that gives out its metrics by name."""

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}
        super().__init__()

    def register(self, collector: Collector) -> None:
        super().register(collector)
        self.metrics.update((family.name, collector) for family in cast(Any, collector).describe())


class RequestMetrics:
    """The metrics, kept in `store`. `buckets`: upper bounds of the latency histogram in seconds."""

    def __init__(self, store: ValueStore, buckets: Sequence[float]) -> None:
        self._store = store
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._totals: dict[tuple[str, str], StoredValue] = {}
        self._making = threading.Lock()
        self._failing: set[tuple[str, str]] = set()
        registry = _Declared()
        with kept_in(self._store):
            # It declares its metrics for an application alone, and this one serves nothing: names, labels and help stay
            # the exporter's own in each of its versions, which is what its dashboards are promised.
            PrometheusMetrics(Flask("metrics"), path=None, group_by="route", buckets=buckets, registry=registry)
            self._size = Histogram(
                "flask_http_response_size_bytes",
                "Size of the response bodies that the application returned, in bytes",
                ("method", "route", "status"),
                buckets=SIZE_BUCKETS,
                registry=registry,
            )
            self._route_exceptions = Counter(
                "flask_http_route_exceptions",
                "Exceptions that the application did not handle, streamed responses included, by route",
                ("method", "route"),
                registry=registry,
            )
        with kept_in(self._store) as made:
            Gauge(
                "flask_http_requests_in_flight",
                "Requests that the application is handling, streamed responses included",
                registry=registry,
                multiprocess_mode="livesum",
            )
            (self.in_flight,) = made
        self._duration: Histogram = registry.metrics["flask_http_request_duration_seconds"]
        self._total: Counter = registry.metrics["flask_http_request"]
        self._exceptions: Counter = registry.metrics["flask_http_request_exceptions"]

    def finished(
        self, labels: tuple[str, str, str], seconds: float, sent: int, exemplar: dict[str, str] | None
    ) -> None:
        """Count a request. labels: method, route and status; sent: bytes of the body."""
        store = self._store
        if not store.is_open:
            return
        # prometheus_client's own look-up of a label set costs more than all of the rest.
        durations, total, sizes = self._series.get(labels) or self._new_series(labels)
        with store.lock:
            if store.is_open:
                durations.observe(seconds)
                total.numbers[total.at] += 1.0
                sizes.observe(sent)
        if exemplar:
            durations.set_exemplar(seconds, exemplar)

    def _new_series(self, labels: tuple[str, str, str]) -> _Series:
        if len(self._series) >= MAX_SERIES:
            labels = (OTHER, OTHER, labels[2])
            if labels in self._series:
                return self._series[labels]
        method, _, status = labels
        with self._making:
            # Another thread may have been here.
            if labels not in self._series:
                self._series[labels] = _Series(
                    self._histogram(self._duration, labels),
                    self._total_of(method, status),
                    self._histogram(self._size, labels),
                )
        return self._series[labels]

    def _histogram(self, metric: Histogram, labels: tuple[str, ...]) -> StoredHistogram:
        with kept_in(self._store) as made:
            metric.labels(*labels)
        return StoredHistogram(made)

    def _total_of(self, method: str, status: str) -> StoredValue:
        if (method, status) not in self._totals:
            with kept_in(self._store) as made:
                self._total.labels(method, status)
            (self._totals[method, status],) = made
        return self._totals[method, status]

    def failed(self, method: str, route: str, status: str) -> None:
        """Count an exception that the application did not handle."""
        if (method, route) not in self._failing:
            if len(self._failing) >= MAX_SERIES:
                method = route = OTHER
            self._failing.add((method, route))
        with kept_in(self._store):
            self._exceptions.labels(method, status).inc()
            self._route_exceptions.labels(method, route).inc()


class Exchange(body.Watcher):
    """One request and its answer.

    seconds: the time that the application took, in being called and for each piece of its body; not the time in which
    the server waited for the client to take the pieces.
    """

    __slots__ = (
        "_began", "_exception", "_exemplar", "_file", "_length", "_method", "_metrics", "_recorded", "_route",
        "_seconds", "_sent", "_socket", "_start_response", "_status", "_write",
    )  # fmt: skip

    def __init__(self, metrics: RequestMetrics, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._metrics = metrics
        self._socket: Any = environ.get("gunicorn.socket")
        body.when_taken_over(self._socket, self.look)
        self._start_response = start_response
        method = environ["REQUEST_METHOD"]
        self._method = method if method in METHODS else OTHER
        self._route = ""
        self._status = ""
        self._length = -1
        self._sent = 0
        self._seconds = 0.0
        self._exemplar: dict[str, str] | None = None
        self._file: Any = None
        self._exception = self._recorded = False
        metrics.in_flight.inc(1)

    def run(self, application: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Call the application and return the body for the server."""
        return body.call(application, environ, self.start, self)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        """The application's start_response: Flask calls it while its request is still there to be looked at."""
        self._status = status[:3]
        self._length = -1
        for name, value in headers:
            if name.lower() == "content-length":
                self._length = int(value) if value.isdecimal() else -1
        self.look()
        self._write = self._start_response(status, headers, exc_info)
        return self._counted_write

    def _counted_write(self, data: bytes) -> None:
        self._sent += len(data)
        self._write(data)

    def look(self) -> None:
        """See which route the current request has matched, in whichever Flask application, and its trace."""
        current = route.note()
        if current is None:
            return
        environ, rule = current.environ, current.url_rule
        self._route = environ[route.ROUTE]
        if self._method == OTHER and rule and rule.methods and current.method in rule.methods:
            self._method = current.method
        if environ.get("nodrop.sampled") and (trace_id := environ.get("nodrop.trace_id")):
            # As long as a trace's id is; prometheus_client raises an error for what is too long.
            self._exemplar = {"trace_id": trace_id[:32]}

    def note_exception(self) -> None:
        """Flask has got an exception that nobody handles; it may answer it, or pass it on."""
        self.look()
        self._exception = True

    def asked(self) -> None:
        self._began = perf_counter()

    def answered(self) -> None:
        self._seconds += perf_counter() - self._began

    def piece(self, data: bytes) -> None:
        self._seconds += perf_counter() - self._began
        self._sent += len(data)
        if self._sent == self._length:
            self._record()

    def complete(self) -> None:
        self._seconds += perf_counter() - self._began
        self._record()

    def file(self, body: Iterable[bytes]) -> None:
        if hasattr(body, "sent"):
            # Our server tells, when it closes the body.
            self._file = body
        else:
            self._sent = max(self._length, 0)
            self._record()

    def failed(self, error: BaseException) -> None:  # noqa: ARG002
        """The application has raised an exception to the server, which answers 500 if nothing has been sent."""
        if self._recorded:
            self._metrics.failed(self._method, self._route, self._status)
            return
        self._seconds += perf_counter() - self._began
        self._exception = True
        if not self._sent:
            self._status = "500"
        self._record()

    def closed(self) -> None:
        """The server is done with it, because all is sent or because the client has gone."""
        if self._file is not None:
            self._sent, self._file = self._file.sent or 0, None
        self._record()
        self._metrics.in_flight.inc(-1)

    def _record(self) -> None:
        if self._recorded:
            return
        self._recorded = True
        if body.is_taken_over(self._socket):
            # For a WebSocket: the application answers through the socket, and what it returns is not sent.
            self._status, self._sent = "101", 0
        if self._status not in STATUSES:
            self._status = f"{self._status[0]}xx" if self._status[:1] in ("1", "2", "3", "4", "5") else OTHER
        self._metrics.finished((self._method, self._route, self._status), self._seconds, self._sent, self._exemplar)
        if self._exception:
            self._metrics.failed(self._method, self._route, self._status)


def _note_exception(_sender: object, **_: object) -> None:
    exchange = request.environ.get(_EXCHANGE)
    if exchange:
        exchange.note_exception()


def measured(application: WSGIApplication, buckets: Sequence[float]) -> WSGIApplication:
    """The application with every request measured; of any number of Flask applications in it, by route.

    Only for a process that nodrop/gunicorn.py has set up: it names the folder in PROMETHEUS_MULTIPROC_DIR.
    """
    metrics = RequestMetrics(own_store(), buckets)
    got_request_exception.connect(_note_exception)

    def measure(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = environ[_EXCHANGE] = Exchange(metrics, environ, start_response)
        return exchange.run(application, environ)

    return measure
