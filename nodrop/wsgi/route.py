"""Which route a request has matched: one answer for the metrics, the access log and the spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Request, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ROUTE = "nodrop.route"
PATH = "nodrop.path"
"""PATH_INFO as it came, before anything was mounted in it; set by the request context."""
PREFIX = "nodrop.prefix"
"""URL_PREFIX, where it was a part of PATH_INFO; set by what took it away."""


def note() -> Request | None:
    """Put the route of the Flask request that this thread handles into its environment. Returns that request, if any.

    The route is the rule, such as `/users/<id>`, under the path where its application is mounted, for example by
    Werkzeug's DispatcherMiddleware; empty if no rule has matched. URL_PREFIX is not a part of it.
    """
    try:
        current = cast("Request", request._get_current_object())  # type: ignore[attr-defined]
    except RuntimeError:
        return None  # Not Flask's.
    environ, rule = current.environ, current.url_rule
    environ[ROUTE] = _mount(environ) + rule.rule if rule else ""
    return current


def _mount(environ: WSGIEnvironment) -> str:
    inner, outer = environ["PATH_INFO"], environ.get(PATH)
    # As long as the path is the one that came, nothing is mounted anywhere.
    if outer is None or inner is outer:
        return ""
    outer = outer.removeprefix(environ.get(PREFIX, ""))
    return outer[: len(outer) - len(inner)] if outer.endswith(inner) else ""
