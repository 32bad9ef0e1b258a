"""How a log record becomes text: one JSON object, or a line for a person at a terminal.

Both can take anything: what a client sent, and records that can't be formatted. Both name the request that is being
handled, and neither shows secrets.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from nodrop import current_request
from nodrop.logs.masking.credentials import mask_of_request
from nodrop.logs.masking.fields import redact_fields, safe_text, shown_logger
from nodrop.logs.masking.names import REDACTED, is_secret
from nodrop.logs.masking.redaction import MAX_LENGTH, redact_end, redact_text
from nodrop.logs.masking.urls import redact_url
from nodrop.logs.refused_requests import REFUSAL, redact_refusal

MAX_LINE_BYTES = 16 * 1024
"""No line is longer, its end included: container runtimes cut longer ones into pieces that are not JSON any more."""
_MESSAGE_BYTES = 4 * 1024
_TRACEBACK_BYTES = 8 * 1024
_FIELD_BYTES = 256
_CUT = "..."
_TO_BYTES = {"message": _MESSAGE_BYTES, "traceback": _TRACEBACK_BYTES}
_URL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]{0,20}://")
# The last is of Python 3.12 and later.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "fields"}
ACCESS = "gunicorn.access"
"""The logger of access lines, which name their request themselves: it may not be the current one any more."""


_to_json = json.JSONEncoder(default=safe_text, allow_nan=False).encode


def cut(text: str, size: int) -> str:
    """The beginning of the text, so that it takes at most `size` bytes as JSON, quotes included."""
    # Nothing takes more than 12 bytes: two escapes of 6 for a character outside the basic plane.
    if len(text) * 12 + 2 <= size:
        return text
    text = text[:size]
    if (length := len(encode_basestring_ascii(text))) <= size:
        return text
    while length + len(_CUT) > size:
        text = text[: len(text) * (size - len(_CUT)) // (length + 1)]
        length = len(encode_basestring_ascii(text))
    return text + _CUT


def message_of(record: logging.LogRecord) -> str:
    """The record's message, redacted; with its arguments behind it when they do not fit in."""
    if record.name == ACCESS:
        # Redacted where it comes from.
        return record.getMessage()
    try:
        args = record.args
        message = str(record.msg) % _redacted_arguments(record.msg, args) if args else str(record.msg)
    except Exception:
        message = f"{safe_text(record.msg)} {safe_text(record.args)}"
    if message.startswith(REFUSAL):
        message = redact_refusal(message)
    return redact_text(message)


def _redacted_arguments(message: object, args: Any) -> Any:
    """The arguments of a message. What stands behind a secret's name in it is masked, as in "token %s". URLs and paths
    are redacted here, where it is plain how far they reach: a path may have blanks, once it is decoded."""
    if isinstance(args, Mapping):
        return {name: REDACTED if isinstance(name, str) and is_secret(name) else value for name, value in args.items()}
    if type(message) is str and (secret := _secret_arguments(message)):
        args = tuple(REDACTED if at in secret and isinstance(arg, str | bytes) else arg for at, arg in enumerate(args))
    for each in args:
        if type(each) is str and (each[:1] == "/" or "://" in each[:30]):
            return tuple(_redacted_url(arg) if type(arg) is str and _URL.match(arg) else arg for arg in args)
    return args


def _redacted_url(url: str) -> str:
    # Whole segments, since a part of a secret may not show that it is one.
    return redact_url(url if len(url) <= MAX_LENGTH else url[:MAX_LENGTH].rpartition("/")[0] + "/...")


_CONVERSION = re.compile(r"%([^a-zA-Z%]*)([a-zA-Z%])")
_NAME_BEFORE = re.compile(r"([\w-]+)[^\w%]{0,3}\Z")
_LONGEST_NAME = 60
_LONGEST_CACHED = 400


def _secret_arguments(message: str) -> frozenset[int]:
    """Which arguments of a message stand behind a secret's name."""
    # Longer messages are rarely written down in code, and those that a client makes up must not fill the memory.
    return _cached_secret_arguments(message) if len(message) <= _LONGEST_CACHED else _find_secret_arguments(message)


def _find_secret_arguments(message: str) -> frozenset[int]:
    found: set[int] = set()
    number, position = 0, 0
    for each in _CONVERSION.finditer(message):
        before, position = message[max(position, each.start() - _LONGEST_NAME) : each.start()], each.end()
        if each[2] == "%":
            continue
        if "*" in each[1] or "(" in each[1]:
            return frozenset()
        name = _NAME_BEFORE.search(before)
        if each[2] in "sra" and name and is_secret(name[1]):
            found.add(number)
        number += 1
    return frozenset(found)


_cached_secret_arguments = lru_cache(maxsize=1024)(_find_secret_arguments)


class _Formatter(logging.Formatter):
    """What both formats need of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; never raises."""
        request = current_request.current()
        if request is None and record.exc_info and (ended := current_request.context_of(record.exc_info[1])):
            # So that its credentials are masked.
            with current_request.handling(ended):
                return self._format(record, ended)
        return self._format(record, request)

    def _format(self, record: logging.LogRecord, request: current_request.RequestContext | None) -> str:
        raise NotImplementedError

    def traceback_of(self, record: logging.LogRecord) -> str:
        """The traceback and the stack that the record asks for, redacted; often empty."""
        parts = []
        try:
            if record.exc_info and record.exc_info[0]:
                parts.append(self.formatException(record.exc_info))
            if record.stack_info:
                parts.append(self.formatStack(record.stack_info))
        except Exception:
            parts.append("<traceback that can't be shown>")
        return redact_end("\n".join(parts)) if parts else ""

    def fields_of(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """What the record says besides its message: what its caller gave as `extra`, with `fields` taken apart."""
        fields = getattr(record, "fields", None)
        if record.name == ACCESS and isinstance(fields, dict):
            return fields
        given = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if isinstance(fields, dict):
            given.update(fields)
        elif fields is not None:
            given["fields"] = fields
        return redact_fields(given) if given else given


class JsonFormatter(_Formatter):
    """One JSON object in ASCII, at most MAX_LINE_BYTES with a line's end.

    time, level, logger, message; request_id, trace_id and span_id while a request is handled; the fields; a traceback.
    A field whose name is taken gets an underscore behind it.
    """

    def _format(self, record: logging.LogRecord, request: current_request.RequestContext | None) -> str:
        entry: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": ACCESS if record.name == ACCESS else shown_logger(record),
            "message": message_of(record),
        }
        if request and record.name != ACCESS:
            entry["request_id"] = mask_of_request(request.request_id)
            entry["trace_id"] = mask_of_request(request.trace_id)
            entry["span_id"] = request.span_id
        for name, value in self.fields_of(record).items():
            while name in entry:
                name += "_"  # noqa: PLW2901
            entry[name] = value
        if traceback := self.traceback_of(record):
            entry["traceback"] = traceback
        line = _to_json(entry)
        return line if len(line) < MAX_LINE_BYTES else _encode_bounded(entry)


def _encode_bounded(entry: dict[str, Any]) -> str:
    """The entry cut to size: each text and each structure by itself, then as many fields as there is room for."""
    room = MAX_LINE_BYTES - 100
    bounded: dict[str, Any] = {}
    # Those that matter most come first in the entry, but for the traceback.
    for name, value in sorted(entry.items(), key=lambda item: item[0] != "traceback"):
        key = cut(safe_text(name), _FIELD_BYTES)
        size = _TO_BYTES.get(name, _FIELD_BYTES)
        text = value if isinstance(value, str) else _to_json({"": value})[5:-1]
        if name == "traceback":
            # The end of it says what went wrong.
            short: Any = cut(text[::-1], size)[::-1]
        else:
            short = value if not isinstance(value, str) and len(text) <= size else cut(text, size)
        room -= len(_to_json({key: short}))
        if room > 0:
            bounded[key] = short
    bounded["cut"] = True
    # In the order of every other line.
    traceback = bounded.pop("traceback", None)
    return _to_json({**bounded, "traceback": traceback} if traceback else bounded)


class PlainFormatter(_Formatter):
    """For a person at a terminal: time of day, level, logger, message, fields, and a traceback on lines of its own."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def _format(self, record: logging.LogRecord, request: current_request.RequestContext | None) -> str:  # noqa: ARG002
        """Nothing in the text can control a terminal or look like another record."""
        at = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03}"
        message = _lines(message_of(record))
        colour = _LEVEL_COLOURS.get(record.levelno, "")
        if record.name == ACCESS:
            status = self.fields_of(record).get("status")
            line = f"{self._paint(_DIM, at)} {self._paint(_status_colour(status), message)}"
        else:
            level = self._paint(colour, f"{record.levelname:<8}")
            fields = "".join(
                f" {_printable(name)}={_printable(safe_text(value))}" for name, value in self.fields_of(record).items()
            )
            name = _printable(shown_logger(record))
            line = f"{self._paint(_DIM, at)} {level} {name}: {message}{self._paint(_DIM, fields)}"
        traceback = self.traceback_of(record)
        return f"{line}\n    {_lines(traceback)}" if traceback else line

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour and text else text


_DIM, _GREEN, _CYAN, _YELLOW, _RED, _BOLD_RED = "2", "32", "36", "33", "31", "1;31"
_LEVEL_COLOURS = {
    logging.DEBUG: _DIM,
    logging.INFO: _GREEN,
    logging.WARNING: _YELLOW,
    logging.ERROR: _RED,
    logging.CRITICAL: _BOLD_RED,
}


def _status_colour(status: object) -> str:
    hundreds = status // 100 if isinstance(status, int) else 0
    return {2: _GREEN, 3: _CYAN, 4: _YELLOW}.get(hundreds, _RED)


def _printable(text: str) -> str:
    """The text with every control character, direction mark and the like written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in text
    )


def _lines(text: str) -> str:
    """The text as it is printed: lines after the first are indented, as the first of a record never is."""
    if text.isprintable():
        return text
    return "\n    ".join(_printable(line) for line in text.expandtabs().split("\n"))
