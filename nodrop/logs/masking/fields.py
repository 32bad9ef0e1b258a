"""What a record says besides its message, as JSON can say it and without secrets.

The caller's `extra` may hold anything: structures with a password somewhere inside, objects whose repr shows one.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.names import REDACTED, is_secret
from nodrop.logs.masking.redaction import MAX_LENGTH, redact_text

DEPTH = 6
"""Structures further inside are shown as text."""
_LONGEST_CACHED = 100
MOST_ITEMS = 6000
"""More have no room in a line."""
MOST_CHARACTERS = 2 * MAX_LENGTH
"""Texts behind so many characters of others are not shown: they have no room in a line, and take time all the same."""
_NOT_SHOWN = "..."
_SHORTEST = len("pw=x")
"""What is shorter holds no secret."""


@dataclass(slots=True)
class _Room:
    """What all parts of a record share."""

    left: int = MOST_CHARACTERS


def safe_text(value: object) -> str:
    """str(value), or its type if that fails."""
    try:
        return repr(value) if isinstance(value, bytes) else str(value)
    except Exception:
        return f"<{type(value).__name__} that can't be shown>"


def redact_fields(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields with secrets masked, of types that JSON has."""
    return _redact_fields(fields, DEPTH, _Room())


def _redact_fields(fields: Mapping[Any, Any], depth: int, room: _Room) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for given, value in list(fields.items())[:MOST_ITEMS]:
        if room.left <= 0:
            shown[_NOT_SHOWN] = _NOT_SHOWN
            break
        name = given if type(given) is str else safe_text(given)
        room.left -= len(name) + 1
        if is_secret(name):
            shown[_shown_name(name)] = _masked(name, value)
        elif name in ("value", "val") and any(_is_secret_text(fields.get(key)) for key in ("name", "key", "header")):
            # {"name": "Authorization", "value": "..."}
            shown[name] = REDACTED
        else:
            shown[_shown_name(name)] = _redact_value(value, depth, room)
    return shown


def _shown_name(name: str) -> str:
    # Longer ones are made up, and must not fill the memory.
    return _cached_name(name, known_secrets.version()) if len(name) <= _LONGEST_CACHED else redact_text(name)


def shown_logger(record: logging.LogRecord) -> str:
    """The name of the record's logger without secrets. The logging module keeps loggers, whatever their length."""
    return _cached_name(record.name, known_secrets.version())


@lru_cache(maxsize=1024)
def _cached_name(name: str, version: int) -> str:  # noqa: ARG001  # the version is a part of the key
    return redact_text(safe_text(name))


def _redact_value(value: object, depth: int, room: _Room) -> Any:
    """The value as JSON can say it, with secrets masked."""
    kind = type(value)
    if kind is str:
        return _redact_text(value, room)  # type: ignore[arg-type]
    if value is None or kind is bool:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    # Larger ones are exact in few readers of JSON, and str() refuses the largest.
    if isinstance(value, int) and abs(value) < 2**63:
        return _masked_number(int(value))
    with contextlib.suppress(Exception):
        if depth:
            return _redact_structure(value, depth - 1, room)
    # str.__str__: what a subclass makes of itself may be no str.
    return _redact_text(str.__str__(value) if isinstance(value, str) else safe_text(value), room)


def _redact_text(text: str, room: _Room) -> str:
    if len(text) < _SHORTEST:
        return text
    if room.left <= 0:
        return _NOT_SHOWN
    room.left -= len(text) + 1
    return redact_text(text)


def _redact_structure(value: Any, depth: int, room: _Room) -> Any:
    """A structure with its parts redacted; raises TypeError for what is none."""
    if isinstance(value, Mapping):
        return _redact_fields(value, depth, room)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _redact_fields(dict(zip(value._fields, value, strict=True)), depth, room)
    if isinstance(value, list | tuple | set | frozenset):
        items = list(value)[: min(MOST_ITEMS, max(room.left, 0))]
        room.left -= len(items)
        if len(items) == 2 and _is_secret_text(items[0]) and not isinstance(value, set | frozenset):
            # A header, a parameter or the like.
            return [items[0], _masked(items[0], items[1])]
        shown = [_redact_value(item, depth, room) for item in items]
        for at, item in enumerate(items[:-1]):
            if type(item) is str and item[:1] == "-" and _is_password_behind(item, items[at + 1]):
                shown[at + 1] = REDACTED
        return shown
    raise TypeError


def _is_password_behind(option: str, argument: object) -> bool:
    """Whether the argument behind an option in the list of a command's is a password."""
    return is_secret(option) or (option in ("-u", "--user") and ":" in str(argument))


def _is_secret_text(value: object) -> bool:
    return type(value) is str and is_secret(value)


def _masked(name: str, value: object) -> Any:
    """What is shown of a secret's value: whether there is one."""
    if value is None or isinstance(value, bool) or (isinstance(value, str | bytes) and not value):
        return value if not isinstance(value, bytes) else ""
    if isinstance(value, int | float) and name.lower().endswith("s"):
        # How many tokens, not which.
        return _redact_value(value, 0, _Room())
    return REDACTED


def _masked_number(number: int) -> int | str:
    if -(10**7) < number < 10**7:
        return number
    text = str(number)
    masked = known_secrets.mask(text)
    return number if masked == text else masked
