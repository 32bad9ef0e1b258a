"""The requests that threads have now, and how a log line names one."""

from __future__ import annotations

from typing import Any

from nodrop.logs.access import path_of
from nodrop.logs.masking.credentials import mask_of


class InFlight:
    """The environment of each thread's request, and when it began. Threads enter theirs, the loop looks."""

    def __init__(self, log: Any) -> None:
        """log: gunicorn's."""
        self._log = log
        self._requests: dict[int, tuple[dict[str, Any], float]] = {}

    def begin(self, thread: int, environ: dict[str, Any], began: float) -> None:
        """The thread with this number has begun a request, at this time.monotonic()."""
        self._requests[thread] = environ, began

    def end(self, thread: int) -> None:
        """The thread has none any more."""
        self._requests.pop(thread, None)

    def of(self, thread: int) -> dict[str, Any] | None:
        """The environment of the thread's request."""
        request = self._requests.get(thread)
        return request[0] if request else None

    def all(self) -> list[tuple[dict[str, Any], float]]:
        """The environment of each, and when it began."""
        return list(self._requests.values())

    def log(self, what: str, environ: dict[str, Any], **fields: str) -> None:
        """Log an error that names the request."""
        method = environ.get("REQUEST_METHOD")
        path = path_of(environ)
        if "nodrop.request_id" in environ:
            fields["request_id"] = mask_of(environ, environ["nodrop.request_id"])
        self._log.error("request %s %r %s", method, path, what, extra={"fields": fields})
