"""Logs: one JSON object a line on standard output, or plain lines where a person watches a terminal."""

import datetime
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from gunicorn import glogging


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, then the record's `fields`, then a traceback.

    json.dumps escapes whatever a client sent, line ends and lone surrogates included, so a line is always one
    valid object.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no type information
    """gunicorn's logger, and the root logger, which the application's own loggers lead to."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        plain = sys.stdout.isatty()
        formatter = (
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
            if plain
            else JsonFormatter()
        )
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(formatter)
        for logger in (logging.getLogger(), self.error_log, self.access_log):
            logger.handlers = [handler]
        logging.getLogger().setLevel(self.loglevel)

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: datetime.timedelta) -> None:  # noqa: ARG002
        """Log one request that was answered."""
        if not self.access_log_enabled:
            return
        fields = {
            "client": environ.get("REMOTE_ADDR", ""),
            "method": environ.get("REQUEST_METHOD", ""),
            "url": environ.get("RAW_URI", ""),
            # gunicorn gives "200 OK" or, for an error of its own, 400.
            "status": int(str(resp.status).split(None, 1)[0]),
            "bytes": getattr(resp, "sent", None) or 0,
            "ms": round(request_time / datetime.timedelta(milliseconds=1), 3),
            "user_agent": environ.get("HTTP_USER_AGENT", ""),
        }
        # repr() keeps a control character in the URL from reaching a terminal.
        message = f"{fields['method']} {fields['url']!r} {fields['status']} {fields['ms']:.1f} ms"
        self.access_log.info("%s", message, extra={"fields": fields})
