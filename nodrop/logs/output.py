"""Where logs go: standard output, a line a record, JSON or plain as LOG_FORMAT says.

What an application prints by itself is left as it is: it may be JSON already.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from traceback import format_exception
from types import TracebackType
from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment
from nodrop.logs.formats import JsonFormatter, PlainFormatter
from nodrop.logs.lines import standard_output
from nodrop.logs.masking import known_secrets, urls
from nodrop.logs.masking.redaction import redact_end
from nodrop.logs.pipe import PATIENCE_SECONDS

_uncaught = logging.getLogger("uncaught")


def configure(settings: ServingSettings | None = None, *, patience: float = PATIENCE_SECONDS) -> logging.Handler:
    """Send everything that this process logs to standard output, uncaught errors and warnings included.

    settings: those of the environment when not given. patience: seconds for which a reader that has stopped is waited
    for, once. Returns the handler, for loggers that do not lead to the root.
    """
    environment = Environment(os.environ)
    settings = settings or ServingSettings.read(environment)[0]
    known_secrets.hide_environment(os.environ, environment.folder)
    urls.configure(settings.log_query, settings.log_query_names)
    handler = StandardOutput(_formatter(settings.log_format))
    standard_output.patience, standard_output.line_about = patience, handler.line_about
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable
    return handler


def _formatter(log_format: str) -> logging.Formatter:
    terminal = sys.stdout.isatty()
    if log_format == "json" or (log_format == "auto" and not terminal):
        return JsonFormatter()
    # https://no-color.org: any value but an empty one.
    colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return PlainFormatter(colours=colours)


class StandardOutput(logging.Handler):
    """Writes each record to standard output (lines.py has what becomes of those that nobody reads)."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        standard_output.write(self._line(record))

    def flush(self) -> None:
        """Write the access lines that wait, as logging.shutdown() wants it before an os._exit()."""
        standard_output.flush()

    def line_about(self, lost: int) -> bytes:
        """The line that tells how many were lost."""
        text = f"{lost} lines were lost: nobody read the log"
        return self._line(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            line = self.format(record)
        except Exception as error:
            line = f'{{"level": "error", "message": "a record of {type(error).__name__} was lost"}}'
        return line.encode("utf-8", "backslashreplace") + b"\n"


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None, where: str = "the process"
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        # As Python prints it, but for secrets.
        sys.stderr.write(redact_end("".join(format_exception(kind, error, traceback))))
        return
    _uncaught.critical("Uncaught %s in %s", kind.__name__, where, exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(event: threading.ExceptHookArgs) -> None:
    if event.exc_value is not None and event.exc_type is not SystemExit:
        name = event.thread.name if event.thread else "?"
        _log_uncaught(event.exc_type, event.exc_value, event.exc_traceback, f"thread {name}")


def _log_unraisable(event: Any, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
    """An error where none can be raised, such as in __del__. `event` is a sys.UnraisableHookArgs."""
    if is_finalizing():
        # Python takes the modules apart, this one too; errors that come from that say nothing.
        return
    # The object by its type only: its repr may be what fails.
    error = event.exc_value
    _uncaught.error(
        "%s %s",
        event.err_msg or "Exception ignored in",
        type(event.object).__qualname__,
        exc_info=(event.exc_type, error, event.exc_traceback) if error is not None else None,
    )
