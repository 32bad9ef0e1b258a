"""What is measured of each request, by prometheus-flask-exporter.

The metrics are kept in files (PROMETHEUS_MULTIPROC_DIR, set by gunicorn.conf.py before anything here is
imported), so that the management process can add them up and serve them, whatever the workers are doing.
"""

from flask import Flask, Request, request
from prometheus_client import CollectorRegistry, Counter
from prometheus_flask_exporter import PrometheusMetrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that get series of their own. A client can make up any number of others."""


def route(request: Request) -> str:
    """The matched rule, such as `/users/<id>`, so that made-up URLs add no series; empty when none matched."""
    return request.url_rule.rule if request.url_rule else ""


def instrument(app: Flask) -> None:
    """Measure every request to `app`: count, duration, exceptions. Adds no route."""
    registry = CollectorRegistry()
    PrometheusMetrics(app, path=None, group_by=route, registry=registry)
    unusual_methods = Counter(
        "flask_http_request_unusual_method",
        "Requests whose method has no series of its own; they are in no other metric",
        registry=registry,
    )

    def bound_methods() -> None:
        if request.method not in METHODS:
            unusual_methods.inc()
            # What the exporter's own do_not_track() sets, which can only be put on a view function.
            request.prom_do_not_track = True  # type: ignore[attr-defined]

    app.before_request(bound_methods)
    # Before the application's own hooks: one that answers by itself (authentication, maintenance) ends the chain, and
    # the request would be counted all the same, without a time and under any method.
    hooks = app.before_request_funcs[None]
    hooks[:] = [*reversed(hooks[-2:]), *hooks[:-2]]
