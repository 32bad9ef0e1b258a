"""The hosts that requests may be for: ALLOWED_HOSTS.

The application builds links from the request's host, those in its mails among them. A client that may name any host
can have such a mail, with a token in it, point to a site of its own.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from nodrop.wsgi.problems import refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LABEL = "[A-Za-z0-9_-]+"
HOST = re.compile(rf"(?P<name>\[[0-9A-Fa-f:.]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::(?P<port>[0-9]{{1,5}})?)?", re.ASCII)
"""A host, with a port or without, in the form that browsers send."""
MAX_LENGTH = 300
"""Characters. The name of a host has at most 253, a port at most 5."""
_log = logging.getLogger(__name__)


class AllowedHosts:
    """WSGI middleware: 400 for a request to any other host. Stands inside of whatever corrects HTTP_HOST."""

    def __init__(
        self, application: WSGIApplication, allowed: tuple[str, ...], refused: Callable[[HTTPStatus], None]
    ) -> None:
        """allowed: names in lower case without a port; `.example.com` stands for it and its subdomains, `*` for any.
        refused: called for each request that is refused.
        """
        self._application = application
        self._refused = refused
        self._setting = f"ALLOWED_HOSTS={', '.join(allowed)}"
        self._is_allowed = lru_cache(1024)(lambda host: is_allowed(host, allowed))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        if len(host) <= MAX_LENGTH and self._is_allowed(host):
            return self._application(environ, start_response)
        self._refused(HTTPStatus.BAD_REQUEST)
        _log.warning(
            "a request for the host %.100r was refused: it is not in %s; add it if it is a name of this application",
            host,
            self._setting,
        )
        return refuse(environ, start_response, HTTPStatus.BAD_REQUEST, "this server does not serve the requested host")


@lru_cache(1024)
def is_valid(host: str) -> bool:
    """Whether the value of a Host header is a name or an address, with a port or without."""
    found = HOST.fullmatch(host) if len(host) <= MAX_LENGTH else None
    if not found or int(found["port"] or 0) > 65535:
        return False
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(found["name"][1:-1])
    except ValueError:
        return False
    return True


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether the value of a Host header names one of `allowed`, whatever its port."""
    found = HOST.fullmatch(host)
    if not found:
        return False
    # With a dot at its end a name is the same, written in full.
    name = found["name"].lower().removesuffix(".")
    return any(
        each in ("*", name) or (each.startswith(".") and (name == each[1:] or name.endswith(each))) for each in allowed
    )
