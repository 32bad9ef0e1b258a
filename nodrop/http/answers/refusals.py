"""What the server answers without asking the application: requests that can't be accepted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors

from nodrop.config.settings import ServingSettings
from nodrop.http.answers.environ import request_variables
from nodrop.http.answers.response import Response
from nodrop.logs.masking.credentials import mask_of
from nodrop.metrics.worker_metrics import ServerMetrics
from nodrop.wsgi.edge import proxies
from nodrop.wsgi.problems import CONTENT_TYPE, problem_body
from nodrop.wsgi.request_context import RequestContextMiddleware
from nodrop.wsgi.security_headers import security_headers

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection


class Refusal(Exception):
    """The request can't be accepted; the connection is closed after the answer. `request` is there if it was parsed."""

    def __init__(
        self, status: HTTPStatus, detail: str, request: Any = None, *, why: str = "", retry_after: int = 0
    ) -> None:
        """detail: what the client is told. why: what the log says instead, for those who can change a setting.
        retry_after: in seconds, if the client is to be told."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.why = why or detail
        self.request = request
        self.retry_after = retry_after


def status_of(error: Exception) -> HTTPStatus:
    """The status for what gunicorn's parser refuses; 400 for most."""
    if isinstance(error, errors.LimitRequestHeaders):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if isinstance(error, errors.UnsupportedTransferCoding):
        return HTTPStatus.NOT_IMPLEMENTED
    if isinstance(error, errors.ExpectationFailed):
        return HTTPStatus.EXPECTATION_FAILED
    return HTTPStatus.BAD_REQUEST


class Refusals:
    """Composes, logs and counts the answers to refused requests."""

    def __init__(self, log: Any, metrics: ServerMetrics, settings: ServingSettings) -> None:
        """log: gunicorn's."""
        self._log = log
        self._metrics = metrics
        self._settings = settings
        self._context = proxies.behind(
            RequestContextMiddleware(lambda *_: []), settings.trusted_proxies, settings.forwarded_headers
        )

    def answer(self, connection: Connection, refusal: Refusal) -> bytes:
        """The answer, which closes the connection. It is logged and counted."""
        environ = self.environ_of(connection, refusal.request)
        request_id = environ.get("nodrop.request_id", "")
        self._log.warning(
            "Invalid request from %s: %s", environ.get("REMOTE_ADDR", connection.client[0]), refusal.why,
            extra={"fields": {"request_id": mask_of(environ, request_id)}} if request_id else None,
        )  # fmt: skip
        self._metrics.refused(refusal.status)
        title = refusal.status.phrase
        body = problem_body(refusal.status, title, refusal.detail)
        self._log_access(connection, refusal, environ, len(body))
        shown = b"" if getattr(refusal.request, "method", None) == "HEAD" else body
        headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), ("Connection", "close")]
        headers += self.security_headers(environ)
        headers += [("X-Request-ID", request_id)] if request_id else []
        headers += [("Retry-After", str(refusal.retry_after))] if refusal.retry_after else []
        lines = [f"HTTP/1.1 {refusal.status.value} {title}", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + shown

    def security_headers(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The headers that harden browsers, for an answer of the server's own to the request of that environment."""
        if not self._settings.security_headers:
            return []
        return security_headers(environ.get("wsgi.url_scheme", "http"), self._settings.hsts_seconds)

    def environ_of(self, connection: Connection, request: Any) -> dict[str, Any]:
        """The environment of a request that no thread has, with the ids and the client that the application would have
        been told; empty without a request."""
        if request is None:
            return {}
        environ = request_variables(request)
        environ |= {"REMOTE_ADDR": connection.client[0], "wsgi.url_scheme": "http"}
        self._context(environ, lambda *_: lambda _: None)
        return environ

    def address_of(self, connection: Connection, request: Any) -> str:
        """The address of the client, as the application would have been told."""
        return str(self.environ_of(connection, request)["REMOTE_ADDR"])

    def _log_access(self, connection: Connection, refusal: Refusal, environ: dict[str, Any], size: int) -> None:
        """The access line of a request that was refused; without a request there is nothing to say in one."""
        if refusal.request is None:
            return
        response = Response(refusal.request, connection)
        response.status, response.sent = f"{refusal.status.value} {refusal.status.phrase}", size
        self._log.access(response, refusal.request, environ, datetime.timedelta())
