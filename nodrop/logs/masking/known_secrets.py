"""The secrets that this process knows: their values are masked wherever they stand, whatever stands around them.

Known are the values of SECRETS_DIR, of secret settings, of environment variables whose names look like a secret's and
of their files (NAME_FILE), the passwords in URLs and connection strings of any variable, and what the application's
configuration holds under such names. They are looked for as they are, percent-encoded, escaped as in JSON, and in
Base64.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from nodrop.config.settings import ServingSettings
from nodrop.logs.masking.names import MOST_DECODINGS, REDACTED, is_secret

MIN_LENGTH = 8
"""Shorter values are not looked for: they would mask parts of words."""
MIN_LENGTH_OF_LETTERS = 12
"""The same for values of nothing but letters of one case, which may be words, such as `production`."""
PIECE_LENGTH = 1000
"""Longer values are looked for in pieces of this length, so that a part that was cut off is found too."""
_MOST_PIECES = 64
_MAX_FILE_BYTES = 64 * 1024

_USERINFO = re.compile(r"://([^\s/]{0,1000})@|://([^\s@]{0,1000})@")
# Without it, there is no Base64 of a secret: eight bytes take ten characters that no neighbour has a part in.
_BASE64 = re.compile("[A-Za-z0-9+/_-]{9}")
_PAIR = re.compile(r"(?i)\b(?:password|passwd|pwd|passw|accountkey|sharedaccesskey|secret)\s*=\s*('[^']*'|[^\s;&]+)")
# The working folder, which would mask every path.
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})

_lock = threading.Lock()
_learned: dict[str, None] = {}
_needles: tuple[str, ...] = ()
_base64_needles: tuple[str, ...] = ()
_version = 0


def mask(text: str) -> str:
    """The text with every known secret masked."""
    if len(text) < MIN_LENGTH:
        return text
    for needle in _needles:
        if needle in text:
            text = text.replace(needle, REDACTED)
    if _base64_needles and _BASE64.search(text):
        for needle in _base64_needles:
            if needle in text:
                text = text.replace(needle, REDACTED)
    return text


def version() -> int:
    """A number that changes with what is known, for caches of what was masked."""
    return _version


def is_in_encoded(text: str) -> bool:
    """Whether a known secret is in a percent-encoded text, however much of it is encoded."""
    for plus in ("+", "%2B"):
        # After each decoding, since a secret may have a percent sign of its own.
        plain = text.replace("+", plus)
        for _ in range(MOST_DECODINGS):
            before, plain = plain, unquote_plus(plain)
            if mask(plain) != plain:
                return True
            if plain == before:
                break
    return False


def hide(*values: str) -> None:
    """Mask these values in every line of this process from now on, if they are long enough."""
    global _needles, _base64_needles, _version  # noqa: PLW0603
    with _lock:
        new = [each for value in values for each in _pieces(value) if each not in _learned]
        if new:
            _learned.update(dict.fromkeys(new))
            # The longest first, since one may be part of another.
            _needles = _longest_first(form for each in _learned for form in _forms(each))
            _base64_needles = _longest_first(form for each in _learned for form in _base64_forms(each))
            _version += 1


def hide_environment(variables: Mapping[str, str] = os.environ, folder: Mapping[str, str] | None = None) -> None:
    """Mask the secrets of the environment. What was known before stays so: it may still be in use.

    folder: what SECRETS_DIR holds, all of which is secret.
    """
    declared = {each.variable for each in ServingSettings.declarations().values() if each.secret}
    found: list[str] = []
    for text in (folder or {}).values():
        found += [text, *_secrets_in(text)]
    for name, text in variables.items():
        if name in _NO_SECRETS:
            continue
        found += _secrets_in(text)
        if name.startswith("OTEL_") and name.endswith("_HEADERS"):
            found += [unquote(pair.partition("=")[2].strip()) for pair in text.split(",")]
        elif name in declared or (is_secret(name) and not _is_path(text)):
            found.append(text)
        elif name.endswith("_FILE") and is_secret(name.removesuffix("_FILE")):
            found += _content_of(text.strip())
    hide(*found)


def hide_configuration(configuration: Mapping[str, Any]) -> None:
    """Mask what a Flask application's `config` holds under names of secrets, and the passwords in its URLs."""
    found: list[str] = []
    for name, value in list(configuration.items()):
        # SECRET_KEY_FALLBACKS is a list.
        for each in value if isinstance(value, list | tuple) else [value]:
            text = each.decode("utf-8", "replace") if isinstance(each, bytes) else each
            if isinstance(text, str):
                found += _secrets_in(text)
                if is_secret(str(name)) and not _is_path(text):
                    found.append(text)
    hide(*found)


def _is_path(text: str) -> bool:
    return text.startswith("/") and len(text) < 4096 and "\0" not in text and Path(text).exists()


def _content_of(path: str) -> list[str]:
    """The text of a secret's file, if it can be read at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                text = file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
                return [text, *_secrets_in(text)]
    except (OSError, ValueError):
        pass
    return []


def _secrets_in(text: str) -> Iterator[str]:
    """The passwords in a URL or a connection string, and what JSON holds under names of secrets."""
    if "://" in text and "@" in text:
        for found in _USERINFO.finditer(text[:_MAX_FILE_BYTES]):
            user, colon, password = (found[1] or found[2] or "").partition(":")
            secret = password if colon else user
            yield from (secret, unquote(secret), unquote_plus(secret))
    if "=" in text:
        for found in _PAIR.finditer(text[:_MAX_FILE_BYTES]):
            yield found[1].strip("'")
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield from _secrets_of(json.loads(text))
        except (ValueError, RecursionError):
            return


def _secrets_of(value: Any) -> Iterator[str]:
    inner: Iterable[Any] = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield from (item for name, item in value.items() if isinstance(item, str) and is_secret(name))
        inner = value.values()
    for item in inner:
        yield from _secrets_of(item)


def _pieces(value: str) -> Iterator[str]:
    """What to look for of a value: its lines, since they are often shown or sent one by one, in pieces."""
    for line in value.splitlines():
        text = line.strip()
        if text.startswith("-----"):
            # The first and the last line of every certificate.
            continue
        pieces = [text[at : at + PIECE_LENGTH] for at in range(0, len(text), PIECE_LENGTH)][:_MOST_PIECES]
        yield from filter(_is_long_enough, pieces)


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts), key=len, reverse=True))


def _is_long_enough(text: str) -> bool:
    word = text.isalpha() and (text.islower() or text.isupper())
    return len(text) >= (MIN_LENGTH_OF_LETTERS if word else MIN_LENGTH)


def _forms(value: str) -> Iterator[str]:
    """The value as it may be written."""
    for quoted in (
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
    ):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
        # Encoded twice.
        yield quoted.replace("%", "%25")
    escaped = json.dumps(value)[1:-1]
    yield from (value, escaped, json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1])
    data = value.encode("utf-8", "replace")
    for shown in (repr(value)[1:-1], ascii(value)[1:-1], repr(data)[2:-1]):
        # As they are, and in the repr of what has them in it.
        yield from (shown, shown.replace("\\", "\\\\"))
    yield html.escape(value)


def _base64_forms(value: str) -> Iterator[str]:
    """The value in Base64, wherever in what was encoded it stood."""
    data = value.encode("utf-8", "replace")
    for before in range(3):
        # Base64 tells three bytes in four characters: of those at the ends, a part belongs to what stands beside.
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        inner = text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        if len(inner) >= MIN_LENGTH:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
