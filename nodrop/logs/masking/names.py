"""Which names say that their value is a secret, and which query parameters are known to hold none.

A name is that of a header, a variable, a field of a record, a key of a dictionary, a parameter: all are spelt in many
ways, so they are compared in lower case and without punctuation.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_plus

REDACTED = "REDACTED"
"""What stands in a line in place of a secret."""

_PARTS = re.compile(
    "token|secret|passw|passphrase|passcode|signature|credential|sessionid|sessid|jwt|assertion|samlresponse"
    "|authorization|bearer|cookie|querystring"
)
"""A name with one of these in it is a secret's."""
_WHOLE = frozenset(
    {"auth", "basicauth", "session", "sid", "sig", "pass", "pin", "mfa", "cvv", "cvc", "salt"}
    | {"authcode", "devicecode", "usercode", "codeverifier", "codechallenge"}
)
_ENDINGS = re.compile("(?<!com)(?<!by)pass$|pwd$|pw$|otp$")
_KEY = re.compile(
    "(?<!sort)(?<!sorting)(?<!primary)(?<!foreign)(?<!partition)(?<!cache)(?<!routing)(?<!group)(?<!order)(?<!lookup)"
    "(?<!idempotency)(?<!dict)(?<!index)(?<!row)(?<!object)(?<!public)(?<!shard)(?<!message)(?<!event)(?<!hash)"
    "(?<!range)(?<!unique)(?<!composite)(?<!parent)(?<!natural)(?<!translation)(?<!config)(?<!^hot)(?<!^mon)"
    "(?<!^tur)(?<!^don)(?<!^whis)(?<!^joc)(?<!^hoc)(?<!^)keys?$"
)
"""A name that ends in `key`, but for those of databases and the like; `key` alone names anything."""
_HARMLESS = re.compile(
    "(?:type|count|length|len|size|name|names|url|uri|expires|expiry|expiresin|expiresat|expiration|expired|ttl|age"
    "|limit|bucket|buckets|enabled|required|policy|error|exception|warning|field|file|path|valid|invalid|missing"
    "|status|dir|directory|folder|host|port|used|left|remaining|issuer|audience|endpoint|algorithms?|alg|provider|backend|class|store|realm|scopes?"
    "|prefix|suffix|hashers?|validators?|samesite|secure|httponly|domain|format|version|index)$"
    "|tokeniz|secretar|passwordless"
)
"""A name with this is about a secret, and its value is none: token_type, password_length, SECRET_KEY_FILE."""
_NOT_ALPHANUMERIC = re.compile("[^a-z0-9]")
MOST_DECODINGS = 4
_LONGEST = 200

# As parameters, of which more are secrets than elsewhere: `code=404` is in many a message.
_PARAMETERS = frozenset({"code", "key", "ticket", "nonce", "state", "hash"})

HARMLESS_PARAMETERS = frozenset(
    {"page", "perpage", "pagesize", "pagenumber", "limit", "offset", "size", "count", "first", "last", "skip", "top"}
    | {"sort", "sortby", "sortkey", "order", "orderby", "ordering", "direction", "dir", "asc", "desc", "groupby"}
    | {"lang", "language", "locale", "timezone", "tz", "format", "fields", "include", "exclude", "expand", "embed"}
    | {"view", "tab", "type", "status", "version", "v", "year", "month", "day", "week", "date", "from", "to", "since"}
    | {"until", "start", "end", "before", "after", "width", "height", "depth", "ms", "seconds", "timeout", "utmsource"}
    | {"utmmedium", "debug", "verbose", "pretty", "download", "raw", "all", "watch", "follow", "wsdl"}
)
"""Parameters that are shown as far as their values are words, numbers or dates."""


def decoded(text: str) -> str:
    """The text without its percent-encoding, however often it was encoded."""
    for _ in range(MOST_DECODINGS):
        if "%" not in text:
            break
        before, text = text, unquote_plus(text)
        if text == before:
            break
    return text


def squashed(name: str) -> str:
    """The name in lower case, without encoding and punctuation."""
    return _NOT_ALPHANUMERIC.sub("", decoded(name).lower())


def is_secret(name: str) -> bool:
    """Whether what has this name, in a text, a structure or the environment, is a secret."""
    # No name is longer, and what a client makes up must not fill the memory.
    return len(name) <= _LONGEST and _is_secret(name)


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    bare = squashed(name)
    if bare in _WHOLE:
        return True
    found = _PARTS.search(bare) or _ENDINGS.search(bare) or _KEY.search(bare)
    return found is not None and not _HARMLESS.search(bare)


def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter with this name is a secret."""
    return is_secret(name) or (len(name) <= _LONGEST and squashed(name) in _PARAMETERS)
