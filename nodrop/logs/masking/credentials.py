"""The credentials that a request came with, which are masked in every line about it: whatever header they are in, a
client may repeat them where nobody would look for any.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from nodrop import current_request
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.names import REDACTED, decoded, is_secret

MIN_LENGTH = 6
"""Shorter ones are not looked for."""
MIN_LENGTH_OF_COOKIES = 16
"""The same for cookies whose names say nothing: shorter ones are settings such as `theme=dark`."""
_MOST = 64
"""More are not looked for. A request has a few; each that a client makes up takes time in each line."""
_MOST_NAMES = 1000
_LONGEST_NAME = 60
_LONGEST_CACHED = 1000

_ENCODED_WORD = re.compile(r"(?<!\S)[^\s%]*+%\S*")
_FLASK_REQUEST = "werkzeug.request"
_harmless: set[str] = {_FLASK_REQUEST}
"""Keys of environments that hold no credentials by themselves: most keys of most requests."""


def mask_of_request(text: str) -> str:
    """The text with the credentials of the request that this thread handles masked, and every known secret."""
    request = current_request.current()
    if request:
        secrets = request.secrets
        if secrets is None:
            secrets = credentials_of(request.environ)
            # Kept once Flask has matched the route, whose parameters may be secrets too.
            if _FLASK_REQUEST in request.environ:
                request.secrets = secrets
        if secrets:
            text = mask(text, secrets)
    return known_secrets.mask(text)


def mask_of(environ: Mapping[str, Any], text: str) -> str:
    """The same for a request that need not be the current one."""
    return known_secrets.mask(mask(text, credentials_of(environ)))


def mask(text: str, credentials: tuple[str, ...]) -> str:
    """The text with these masked, as they are and percent-encoded."""
    for secret in credentials:
        if secret in text:
            text = text.replace(secret, REDACTED)
    if credentials and "%" in text and _has_any(decoded(text), credentials):
        text = _ENCODED_WORD.sub(lambda word: REDACTED if _has_any(decoded(word[0]), credentials) else word[0], text)
    return text


def _has_any(text: str, credentials: tuple[str, ...]) -> bool:
    return any(secret in text for secret in credentials)


def credentials_of(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of the headers that carry credentials, and of the route's parameters that do, the longest first."""
    found: list[tuple[str, ...]] = []
    if not _harmless.issuperset(environ):
        for key in [key for key in environ if key not in _harmless]:
            if not key.startswith("HTTP_") or not is_secret(key[5:]):
                if len(_harmless) < _MOST_NAMES and len(key) < _LONGEST_NAME:
                    _harmless.add(key)
            elif isinstance(value := environ[key], str):
                # Longer ones are not kept: they are made up.
                find = _cached_credentials if len(value) <= _LONGEST_CACHED else _credentials_in
                found.insert(0 if key != "HTTP_COOKIE" else len(found), find(key, value))
    if matched := getattr(environ.get(_FLASK_REQUEST), "view_args", None):
        parameters = [text for name, text in matched.items() if isinstance(text, str) and is_secret(name)]
        if parameters:
            found.append(_longest_first(parameters))
    if not found:
        return ()
    return found[0] if len(found) == 1 else _longest_first(each for credentials in found for each in credentials)


def _longest_first(credentials: Iterable[str]) -> tuple[str, ...]:
    """As many as are looked for, without doubles."""
    long_enough = [each for each in dict.fromkeys(credentials) if len(each) >= MIN_LENGTH]
    return tuple(sorted(long_enough[:_MOST], key=len, reverse=True))


def _credentials_in(key: str, value: str) -> tuple[str, ...]:
    return _longest_first(_in_cookies(value) if key == "HTTP_COOKIE" else _in_header(value))


# Clients send the same with each request.
_cached_credentials = lru_cache(maxsize=256)(_credentials_in)


def _in_cookies(header: str) -> list[str]:
    named, others = [header], []
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if is_secret(name):
            named += [value, value.strip('"'), unquote(value)]
        elif len(value) >= MIN_LENGTH_OF_COOKIES:
            others += [value, unquote(value)]
    return named + others


def _in_header(header: str) -> list[str]:
    scheme, _, credentials = header.strip().partition(" ")
    found = [header, credentials.strip()]
    return found + _parts_of_basic(credentials) if scheme.lower() == "basic" else found


def _parts_of_basic(credentials: str) -> list[str]:
    try:
        both = base64.b64decode(credentials + "==").decode("utf-8", "replace")
    except ValueError:
        return []
    return [both, both.partition(":")[2]]
