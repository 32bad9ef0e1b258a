"""URLs without their secrets: user information, the values of parameters, and what looks like a token in a path.

Nothing tells the value of a parameter that is a secret from one that is none, and no list has the names of them all:
`ticket`, `totp`, `user[pw]`, `q={"password": ...}`. So every value is hidden, except where the name is known to be
harmless and the value is a word, a number or a date. LOG_QUERY and LOG_QUERY_NAMES choose otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.names import HARMLESS_PARAMETERS, REDACTED, decoded, is_secret, is_secret_parameter, squashed


@dataclass
class QueryPolicy:
    """Which values of queries are shown; one for the process, which configure() changes."""

    show: str = "harmless"
    """`off`: no query. `harmless`: words, numbers and dates of parameters known to be harmless. `all`: all but those
    whose names look like a secret's."""
    names: frozenset[str] = frozenset()
    """More parameters that are shown, whatever their values look like, squashed."""


policy = QueryPolicy()


def configure(show: str, names: Iterable[str]) -> None:
    """Choose what is shown of queries."""
    policy.show, policy.names = show, frozenset(map(squashed, names))


# To the last @ before the path; or, where a password has a slash of its own, to the next @, unless it is a port.
USERINFO = re.compile(r"://(?:[^/?#\s]*|[^\s/?#@:]{0,100}:(?!\d{1,5}(?:[/?#]|$))[^\s@]{1,300})@")
# Without a scheme, as CONNECT has it.
_LEADING_USERINFO = re.compile("^(?!/|[^/?#]*//)[^/?#]*@")
_SEPARATORS = re.compile("([&;?])")
# Words, with a number behind them at most: anything else may be a value that stands where a name should.
_NAME = re.compile(
    r"[_$+ ]*[A-Za-z]{1,24}[0-9]{0,3}(?:[\[\]._\-$+ ]+(?:[A-Za-z]{1,24}[0-9]{0,3}|[0-9]{1,4}))*[\[\]+ $_]*"
)
_PLAIN_VALUE = re.compile(r"-?[0-9]{1,9}|-?[A-Za-z][A-Za-z_,.:-]{0,31}|[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?", re.ASCII)

_TOKEN_LENGTH = 20
_MARKS_IN_SEGMENT = re.compile("[=;%:]|eyJ")
_HEX = re.compile(r"[0-9a-fA-F-]{20,}")
_JWT = re.compile(r"eyJ[\w-]{5,1000}+\.[\w-]+", re.ASCII)
# What a path's readable names are made of: words, in lower or upper case or with a capital, and short numbers.
_WORDS = re.compile(r"(?:[A-Z]?[a-z]{1,22}(?:[A-Z][a-z]{2,14}){0,8}|[A-Z]{2,19}|[0-9]{1,8})(?:s|[0-9]{1,4})?")
_HOST = re.compile(r"[\w.\-\[\]:]{1,253}", re.ASCII)
_PADDED = re.compile(r"[A-Za-z0-9+/_-]{8,}={1,2}")
_WORD_SEPARATORS = re.compile(r"[-_.~+ ,:@()!$'*]+")
_LEADS_TO_TOKEN = re.compile(
    "(?:(?:reset|passwords?|passwd|pwd|confirm|confirmation|verify|verification|activate|activation|invites?"
    "|invitations?|tokens?|magic|unsubscribe|secrets?|otp|sso|auth|keys?|apikeys?|webhooks?|hooks|login|signin|share"
    "|shared|recover|recovery)(?:links?|emails?)?){1,4}"
)
# What stands behind such a word and is no token: of programming interfaces.
_NO_TOKEN = re.compile(r"v[0-9]{1,2}|oauth[12]|saml2|2fa|[0-9]{1,4}")
_LONGEST_LEAD = 60
_WORD_OF_PATH = re.compile(r"[a-z]{1,15}(?:[-_.][a-z]{1,15}){0,3}")


def redact_url(url: str) -> str:
    """The URL, or target of a request line, without what may be secret in it."""
    if "@" in url:
        url = _LEADING_USERINFO.sub(f"{REDACTED}@", USERINFO.sub(f"://{REDACTED}@", url))
    rest, sharp, fragment = url.partition("#")
    path, mark, query = rest.partition("?")
    if "%" in path and known_secrets.is_in_encoded(path):
        path = f"/{REDACTED}"
    shown = _redact_path(path)
    if query:
        shown += mark + redact_query(query)
    elif mark:
        shown += mark
    return f"{shown}#{REDACTED}" if fragment else shown + sharp


def redact_query(query: str) -> str:
    """A query, or a form, without the values that may be secret."""
    if policy.show == "off":
        return REDACTED
    if "&" not in query and ";" not in query and "?" not in query:
        return _redact_parameter(query)
    return "".join(part if part in "&;?" else _redact_parameter(part) for part in _SEPARATORS.split(query))


def _redact_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    plain_name = decoded(name) if "%" in name else name
    if not equals:
        # A value without a name, unless it is a flag's name.
        return parameter if _is_flag(plain_name) else REDACTED
    shown = name if not name or _is_name(plain_name, value) else REDACTED
    return f"{shown}={value if not value or _may_be_shown(plain_name, value) else REDACTED}"


def _is_name(name: str, value: str) -> bool:
    """Whether it can be shown as a name. Without a value, it may be Base64 that ends in a `=`."""
    return (
        len(name) <= 60
        and _NAME.fullmatch(name) is not None
        and not looks_like_token(name)
        and (bool(value) or name.islower() or squashed(name) in HARMLESS_PARAMETERS)
    )


def _is_flag(name: str) -> bool:
    bare = squashed(name)
    if policy.show == "all":
        return _is_name(name, "flag")
    return not name or bare in HARMLESS_PARAMETERS or bare in policy.names


def _may_be_shown(name: str, value: str) -> bool:
    plain = decoded(value) if "%" in value else value
    bare = squashed(name)
    if bare in policy.names:
        # Named by the operator, but a known secret or a token may have got there by mistake.
        return not _is_or_has_secret(plain, value)
    if policy.show == "all":
        return not is_secret_parameter(name) and not _is_or_has_secret(plain, value)
    return bare in HARMLESS_PARAMETERS and _PLAIN_VALUE.fullmatch(plain) is not None


def _is_or_has_secret(value: str, encoded: str) -> bool:
    """Whether a value, which is decoded here, is a token, or has parameters, JSON or a URL in it that hold a secret."""
    from nodrop.logs.masking.redaction import redact_text  # which redacts URLs with this module

    if decoded(value) != value:
        # Encoded more often than anything is; each level would be looked into, one inside the other.
        return True
    return looks_like_token(value) or known_secrets.is_in_encoded(encoded) or redact_text(value) != value


def _redact_path(path: str) -> str:
    segments = path.split("/")
    # The third of an absolute URL is the host.
    host = 2 if len(segments) > 2 and not segments[1] and _HOST.fullmatch(segments[2]) else -1
    before = further = ""
    for at, segment in enumerate(segments):
        if segment and at == host:
            # Or a path that begins with two slashes.
            before = "" if segments[0] else segment
        elif segment:
            after_lead = before != "" and not _WORD_OF_PATH.fullmatch(segment) and _is_led(segment, before, further)
            if after_lead or _needs_a_look(segment):
                segments[at] = _redact_segment(segment, before, after_lead=after_lead)
            further, before = before, segment if "%" not in segment else decoded(segment).rpartition("/")[2]
    return "/".join(segments)


def _is_led(segment: str, before: str, further: str) -> bool:
    """Whether a segment that is no word stands behind one that leads to a token, `before` it or `further` in front."""
    # No longer one is a lead, and what a client makes up must not fill the memory.
    if len(before) <= _LONGEST_LEAD and _leads_to_token(before):
        # A short number is a code there, but behind a key it is the key's.
        return not _NO_TOKEN.fullmatch(segment) or (segment.isdecimal() and squashed(before) not in ("key", "keys"))
    if not further or len(further) > _LONGEST_LEAD or not _leads_to_token(further):
        return False
    return not _NO_TOKEN.fullmatch(segment)


@lru_cache(maxsize=1024)
def _leads_to_token(segment: str) -> bool:
    return _LEADS_TO_TOKEN.fullmatch(squashed(segment)) is not None


def _needs_a_look(segment: str) -> bool:
    return len(segment) >= _TOKEN_LENGTH or _MARKS_IN_SEGMENT.search(segment) is not None


def _redact_segment(segment: str, before: str, *, after_lead: bool) -> str:
    if _PADDED.fullmatch(segment):
        return REDACTED
    if ";" in segment or "=" in segment:
        # Matrix parameters, and what looks like a query in a path.
        first, *parts = re.split("([;&])", segment)
        shown = _redact_parameter(first) if "=" in first else _redact_segment(first, before, after_lead=after_lead)
        return shown + "".join(part if part in ";&" else _redact_parameter(part) for part in parts)
    plain = decoded(segment) if "%" in segment else segment
    if plain is not segment and (any(mark in plain for mark in "=?#;@") or _has_token(plain, before)):
        return REDACTED
    name, colon, value = plain.partition(":")
    if colon and value and is_secret(name):
        return f"{name}:{REDACTED}"
    if looks_like_token(plain):
        return REDACTED
    return REDACTED if after_lead and not _WORD_OF_PATH.fullmatch(plain) else segment


def _has_token(text: str, before: str) -> bool:
    """Whether any part of a decoded segment, which may have slashes, is a token."""
    if "/" not in text:
        return looks_like_token(text)
    # Without empty segments, behind which a host would be.
    path = "/".join(filter(None, [before, *text.split("/")]))
    # What is still encoded was encoded more often than anything is.
    return decoded(path) != path or _redact_path(path) != path


def looks_like_token(text: str) -> bool:
    """Whether the text is so long and so mixed that it is made by chance and for no reader: hexadecimal digits, Base64,
    a JSON Web Token, a UUID."""
    if "eyJ" in text and _JWT.search(text):
        return True
    if len(text) < _TOKEN_LENGTH:
        return False
    if _HEX.fullmatch(text):
        return True
    words = sum(len(part) for part in _WORD_SEPARATORS.split(text) if _WORDS.fullmatch(part))
    others = sum(map(str.isalnum, text)) - words
    # A name may have an abbreviation or a number among its words.
    return others >= max(10, len(text) // 3)


def secret_segments(route: str) -> tuple[int, ...]:
    """Which segments of a path, counted from 0, are parameters of its route that look like a secret's."""
    segments = route.strip("/").split("/")
    found: list[int] = []
    for at, segment in enumerate(segments):
        variable = segment.partition("<")[2].partition(">")[0]
        converter, colon, name = variable.rpartition(":")
        if variable and is_secret(name):
            # A `path` may have any number of segments.
            found += [at] if not (colon and converter.startswith("path")) else range(at, at + 100)
    return tuple(found)


def redact_segments(url: str, numbers: tuple[int, ...], before: int) -> str:
    """The URL without these segments of its path, of which the first `before` are not the route's."""
    scheme, _, rest = url.rpartition("://") if "://" in url.partition("?")[0] else ("", "", url)
    path, mark, query = rest.partition("?")
    segments = path.split("/")
    for number in numbers:
        at = number + before + 1
        if at < len(segments) and segments[at]:
            segments[at] = REDACTED
    return (f"{scheme}://" if scheme else "") + "/".join(segments) + mark + query
