"""gunicorn's logger: its own lines, and one line a request."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import Any

from gunicorn import glogging

from nodrop.logs import output as logs
from nodrop.logs.formats import cut
from nodrop.logs.redaction import redact_url

# Bytes of the JSON that a client can make long. An access line takes at most 4096 with all of them at their longest,
# which is what the kernel writes in one piece whatever else is going on.
URL_BYTES = 1400
USER_AGENT_BYTES = 400
REFERER_BYTES = 400
ROUTE_BYTES = 200
HOST_BYTES = 200
SHORT_BYTES = 64
_MESSAGE_URL_BYTES = 300


class _LastingLogger(logging.Logger):
    """A logger that stays on when an application configures its own logs: dictConfig switches existing ones off."""

    @property
    def disabled(self) -> bool:
        """Never."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's loggers, and the root logger, which the application's own lead to, on standard output."""

    def setup(self, cfg: Any) -> None:
        """Read the settings; gunicorn calls it when it starts and when it reloads."""
        super().setup(cfg)
        handler = logs.configure()
        for logger in (self.error_log, self.access_log):
            logger.handlers = [handler]
            logger.__class__ = _LastingLogger

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: datetime.timedelta) -> None:  # noqa: ARG002
        """Log one request that was answered, or refused; never raises.

        resp: has `status`, "200 OK" or 200 or None if nothing was answered, and `sent`, the body's bytes.
        environ: may have any part of the request's environment, as little as nothing.
        """
        if not self.access_log_enabled:
            return
        try:
            fields = access_fields(resp, environ, request_time / datetime.timedelta(milliseconds=1))
            url = cut(fields["url"], _MESSAGE_URL_BYTES)
            message = f"{fields['method']} {url} {fields['status']} {fields['ms']:.1f} ms"
            self.access_log.info("%s", message, extra={"fields": fields})
        except Exception:
            self.exception("A request was answered, but its access line could not be written")


def access_fields(resp: Any, environ: Mapping[str, Any], milliseconds: float) -> dict[str, Any]:
    """What an access line says of a request. Never headers but these, since others carry credentials."""
    get = environ.get
    status = resp.status
    fields = {
        "request_id": get("nodrop.request_id", ""),
        "trace_id": get("nodrop.trace_id", ""),
        "span_id": get("nodrop.span_id", ""),
        "client": cut(get("REMOTE_ADDR") or "", SHORT_BYTES),
        "method": cut(get("REQUEST_METHOD") or "", SHORT_BYTES),
        "host": cut(get("HTTP_HOST") or "", HOST_BYTES),
        "url": _bounded_url(get("RAW_URI") or "", URL_BYTES),
        "route": cut(get("nodrop.route") or "", ROUTE_BYTES),
        "status": int(str(status).split(None, 1)[0]) if status is not None else None,
        "bytes": getattr(resp, "sent", None) or 0,
        "ms": round(milliseconds, 3),
        "queued_ms": round(get("nodrop.queued_ms", 0.0), 3),
        "protocol": cut(get("SERVER_PROTOCOL") or "", SHORT_BYTES),
        "user_agent": cut(get("HTTP_USER_AGENT") or "", USER_AGENT_BYTES),
    }
    if referer := get("HTTP_REFERER"):
        fields["referer"] = _bounded_url(referer, REFERER_BYTES)
    return fields


def _bounded_url(url: str, size: int) -> str:
    """The URL, redacted and cut: before, to bound the work, and after, since redacting may make it longer."""
    return cut(redact_url(url[:size]), size) if len(url) <= size else cut(redact_url(url[:size]) + "...", size)
