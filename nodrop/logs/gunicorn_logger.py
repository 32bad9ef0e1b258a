"""gunicorn's logger: its own lines, and one line a request."""

from __future__ import annotations

import datetime
import logging
import sys
from collections.abc import Mapping
from time import time_ns
from typing import Any, TextIO

from gunicorn import glogging

from nodrop.logs import output as logs
from nodrop.logs.access import access_fields, access_message
from nodrop.logs.access_json import access_json
from nodrop.logs.formats import JsonFormatter
from nodrop.logs.lines import standard_output
from nodrop.logs.masking.redaction import redact_text
from nodrop.logs.output import StandardOutput

_MILLISECOND = datetime.timedelta(milliseconds=1)
_HANDLE, _CALL_HANDLERS = logging.Logger.handle, logging.Logger.callHandlers


class _LastingLogger(logging.Logger):
    """A logger that stays on when an application configures its own logs: dictConfig switches existing ones off."""

    @property
    def disabled(self) -> bool:
        """Never."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


class _RedactedStream:
    """A stream whose texts have no secrets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(redact_text(text))

    def flush(self) -> None:
        self._stream.flush()


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's loggers, and the root logger, which the application's own lead to, on standard output."""

    def setup(self, cfg: Any) -> None:
        """Read the settings; gunicorn calls it when it starts and when it reloads."""
        super().setup(cfg)
        handler = logs.configure()
        for logger in (self.error_log, self.access_log):
            logger.handlers = [handler]
            logger.__class__ = _LastingLogger

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log the exception that is being handled."""
        super().exception(msg, *args, **kwargs)
        if msg == "Exception in worker process":
            # gunicorn prints the error once more, past the log, and ends the process.
            sys.stderr = _RedactedStream(sys.stderr)

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: datetime.timedelta) -> None:  # noqa: ARG002
        """Log one request that was answered, or refused; never raises.

        resp: has `status`, "200 OK" or 200 or None if nothing was answered, and `sent`, the body's bytes.
        environ: may have any part of the request's environment, as little as nothing.
        """
        if not self.access_log_enabled:
            return
        try:
            milliseconds = request_time / _MILLISECOND
            if self._needs_no_record() and (line := access_json(resp, environ, milliseconds, time_ns())):
                standard_output.put(line)
                return
            fields = access_fields(resp, environ, milliseconds)
            self.access_log.info("%s", access_message(fields), extra={"fields": fields})
        except Exception:
            self.exception("A request was answered, but its access line could not be written")

    def _needs_no_record(self) -> bool:
        """Whether nobody but our own handler gets the record of an access line, and that for a line of JSON."""
        log = self.access_log
        handlers = log.handlers
        return (
            len(handlers) == 1
            and type(handler := handlers[0]) is StandardOutput
            and type(handler.formatter) is JsonFormatter
            and not (log.filters or handler.filters or log.propagate)
            and handler.level <= logging.INFO
            and log.isEnabledFor(logging.INFO)
            and logging.getLogRecordFactory() is logging.LogRecord
            # Where libraries that want each record take their place.
            and logging.Logger.handle is _HANDLE
            and logging.Logger.callHandlers is _CALL_HANDLERS
        )
