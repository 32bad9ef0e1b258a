"""Names of header fields, as a client writes them, and the variables of the WSGI environment that they become."""

from __future__ import annotations

import re

MOST = 1024
"""Names that are remembered. What clients make up beyond them is looked at each time, and can't fill the memory."""
LONGEST = 64
"""Characters of a name that is remembered."""
USUAL = """
    Accept Accept-Charset Accept-Encoding Accept-Language Authorization Cache-Control CF-Connecting-IP CF-Ray Connection
    Content-Encoding Content-Length Content-Type Cookie DNT Date Forwarded Host If-Match If-Modified-Since If-None-Match
    If-Range If-Unmodified-Since Keep-Alive Origin Pragma Priority Range Referer Sec-CH-UA Sec-CH-UA-Mobile
    Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC TE Traceparent Tracestate
    Upgrade-Insecure-Requests User-Agent Via X-B3-SpanId X-B3-TraceId X-CSRF-Token X-CSRFToken X-Envoy-Attempt-Count
    X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto X-Forwarded-Scheme X-Real-IP
    X-Request-ID X-Requested-With X-Scheme
"""
"""Remembered from the start, whatever else comes."""
_NAME = re.compile(r"[!#$%&'*+\-.^`|~0-9A-Za-z]+")
WITHOUT_HTTP = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class Names(dict[str, str]):
    """The variable for each name; KeyError for what is not the name of a field, or has an underscore.

    `X_Forwarded_For` would become the same variable as `X-Forwarded-For`, so it is not for this to decide about.
    """

    def __init__(self) -> None:
        super().__init__()
        for name in USUAL.split():
            self[name] = self[name.lower()] = variable(name)

    def __missing__(self, name: str) -> str:
        found = variable(name)
        if len(self) < MOST and len(name) <= LONGEST:
            self[name] = found
        return found


def variable(name: str) -> str:
    """The variable for a name. Raises KeyError."""
    if not _NAME.fullmatch(name):
        raise KeyError(name)
    upper = name.upper()
    return WITHOUT_HTTP.get(upper) or f"HTTP_{upper.replace('-', '_')}"


def field(variable: str) -> str:
    """The name, in upper case, that has become this variable."""
    return variable.removeprefix("HTTP_").replace("_", "-")
