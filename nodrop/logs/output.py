"""Where logs go: standard output, a line a record, JSON or plain as LOG_FORMAT says.

What an application prints by itself is left as it is: it may be JSON already.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import sys
import termios
import threading

# By name, before an application replaces them, as gevent and eventlet do: a line is written whole, without letting
# anything else run meanwhile, which might want to write one too, and also from where nothing may wait.
from select import PIPE_BUF, POLLOUT, poll
from time import monotonic, sleep
from traceback import format_exception
from types import TracebackType
from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment
from nodrop.logs.formats import JsonFormatter, PlainFormatter
from nodrop.logs.masking import known_secrets, urls
from nodrop.logs.masking.redaction import redact_end

PATIENCE_SECONDS = 1.0
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
    handler = StandardOutput(_formatter(settings.log_format), patience)
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
    """Writes each record to standard output in one piece.

    One write a line, so that lines of several processes do not mix: the kernel keeps up to 4096 bytes (PIPE_BUF)
    together in any case, and more unless the pipe is full. What can't be written is lost: a log that nobody reads
    must not hold up or fail a request. A reader that has stopped is waited for once, for `patience` seconds; from then
    on lines are dropped until it reads again, and it is told how many.
    """

    def __init__(self, formatter: logging.Formatter, patience: float = PATIENCE_SECONDS) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._patience = patience
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        data = self._line(record)
        if self._lost:
            text = f"{self._lost} lines were lost: nobody read the log"
            lost = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
            # In one piece with the line: told alone, it would begin the waiting anew for a line that has no room.
            data = self._line(lost) + data
        patience = 0 if self._lost else self._patience
        if _has_room(1, len(data), patience) and _write(1, data, patience):
            self._lost = 0
        else:
            self._lost += 1

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            line = self.format(record)
        except Exception as error:
            line = f'{{"level": "error", "message": "a record of {type(error).__name__} was lost"}}'
        return line.encode("utf-8", "backslashreplace") + b"\n"


def _has_room(descriptor: int, size: int, seconds: float) -> bool:
    """Whether so many bytes can be written without waiting for a reader, within this time."""
    deadline = monotonic() + seconds
    writable = poll()
    writable.register(descriptor, POLLOUT)
    while writable.poll(max(0.0, deadline - monotonic()) * 1000):
        # That is said of a pipe as soon as it has room for PIPE_BUF bytes.
        if size <= PIPE_BUF or _is_empty(descriptor):
            return True
        if monotonic() >= deadline:
            return False
        sleep(0.01)
    return False


def _is_empty(descriptor: int) -> bool:
    """Whether a pipe is empty. Only then does it surely have room for more than PIPE_BUF bytes, since it keeps a whole
    page for a part of one. What is no pipe always has."""
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return True
    return not any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))


def _write(descriptor: int, data: bytes, seconds: float = PATIENCE_SECONDS) -> bool:
    """Write it all, waiting for so long at most at a time; whether that was done."""
    while data:
        try:
            data = data[_write_some(descriptor, data) :]
        except BlockingIOError:
            # Another process has taken the room, or has made it non-blocking, for all who share it.
            writable = poll()
            writable.register(descriptor, POLLOUT)
            if not writable.poll(seconds * 1000):
                return False
        except OSError:
            return False
    return True


def _write_some(descriptor: int, data: bytes) -> int:
    """os.write, but without waiting for room in a pipe where the system can do that for one write alone: O_NONBLOCK
    would be for all who share the pipe."""
    if hasattr(os, "RWF_NOWAIT") and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        try:
            return os.pwritev(descriptor, [data], -1, os.RWF_NOWAIT)
        except OSError as error:
            # Linux before 6.5 does not know it for pipes, some sandboxes not at all, or forbid it.
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE, errno.EPERM):
                raise
    return os.write(descriptor, data)


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


def _log_unraisable(event: Any) -> None:
    """An error where none can be raised, such as in __del__. `event` is a sys.UnraisableHookArgs."""
    # The object by its type only: its repr may be what fails.
    error = event.exc_value
    _uncaught.error(
        "%s %s",
        event.err_msg or "Exception ignored in",
        type(event.object).__qualname__,
        exc_info=(event.exc_type, error, event.exc_traceback) if error is not None else None,
    )
