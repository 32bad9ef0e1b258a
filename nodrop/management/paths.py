"""What is answered at each path of the management port."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from nodrop.health.probes import Answer, Health
from nodrop.management.parsing import Request
from nodrop.management.responses import TEXT, Response, line
from nodrop.management.scrapes import Reply, Scrape, Scrapes, TooMuchError

_log = logging.getLogger(__name__)


def checks(health: Health) -> dict[str, Callable[[], Answer]]:
    """The health checks by path."""
    return {"/livez": health.liveness, "/readyz": health.readiness, "/startupz": health.startup}


class Paths:
    """/livez, /readyz and /startupz, answered at once, and /metrics, answered when it is rendered."""

    def __init__(self, health: Health, scrapes: Scrapes) -> None:
        self._checks = checks(health)
        self._scrapes = scrapes

    def respond(self, request: Request, reply: Reply) -> None:
        """Answer the request, with one call of `reply`."""
        if request.path not in (*self._checks, "/metrics"):
            reply(line(HTTPStatus.NOT_FOUND, f"try {', '.join(self._checks)} or /metrics"))
        elif request.method not in ("GET", "HEAD"):
            reply(line(HTTPStatus.METHOD_NOT_ALLOWED, "use GET or HEAD", {**TEXT, "Allow": "GET, HEAD"}))
        elif request.path == "/metrics":
            self._scrape(request, reply)
        else:
            reply(_checked(self._checks[request.path]))

    def _scrape(self, request: Request, reply: Reply) -> None:
        try:
            scrape = Scrape.of(request.query, request.accept, request.accept_encoding)
        except TooMuchError as error:
            reply(line(error.status, error.why))
        else:
            self._scrapes.ask(scrape, reply)

    def forget(self, reply: Reply) -> None:
        """Nobody waits for this reply any more."""
        self._scrapes.forget(reply)


def _checked(check: Callable[[], Answer]) -> Response:
    try:
        return line(*check())
    except Exception as error:
        # A probe is told, and the log has the rest; the next one may well be answered.
        _log.exception("a health check failed")
        return line(HTTPStatus.INTERNAL_SERVER_ERROR, f"the state of the server can't be read: {error!r}")
