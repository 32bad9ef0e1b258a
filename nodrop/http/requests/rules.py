"""Rules of HTTP that gunicorn's parser doesn't apply."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from nodrop.http.answers.refusals import Refusal
from nodrop.wsgi.edge.hosts import MAX_LENGTH, is_valid

_ABSOLUTE = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)")


def check_transfer_codings(request: Any) -> None:
    """Raise Refusal unless the body is as it is, or chunked and nothing else."""
    codings = [value.lower() for name, value in request.headers if name == "TRANSFER-ENCODING"]
    if codings not in ([], ["chunked"]):
        # gunicorn lets compressed bodies through, as they are; nothing behind it would know.
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "only chunked is implemented as a transfer coding", request)


def check(request: Any) -> None:
    """Raise Refusal for a head that HTTP/1.1 forbids; have the connection closed where the client asks for it.

    The host of a target that names one becomes the request's.
    """
    _check_host(request)
    _check_target(request)
    # It is a list, of which gunicorn knows only the one that has nothing but `close`.
    options = ",".join(value for name, value in request.headers if name == "CONNECTION").lower().split(",")
    if "close" in (option.strip(" \t") for option in options):
        request.force_close()


def _is_host(text: str) -> bool:
    """Whether it is the name or address of a host, with a port or without."""
    # The length first: what is asked about is remembered, and could fill the memory.
    return len(text) <= MAX_LENGTH and is_valid(text)


def _check_host(request: Any) -> None:
    """One Host header, with the name of a host in it (RFC 9112, section 3.2); HTTP/1.0 may do without."""
    hosts = [value for name, value in request.headers if name == "HOST"]
    if len(hosts) != 1 and (hosts or request.version >= (1, 1)):
        raise _bad("a request of HTTP/1.1 has one Host header", request)
    if hosts and not _is_host(hosts[0]):
        raise _bad("the Host header is not the name or address of a host", request)


def _check_target(request: Any) -> None:
    """The target has no fragment, and whom it names is whom the request is for (RFC 9112, section 3.2.2)."""
    target = request.uri
    if "#" in target:
        raise _bad("the target has a fragment, which is not for servers", request)
    if request.method == "CONNECT":
        authority = target
    elif target.startswith("/") or target == "*":
        return
    elif match := _ABSOLUTE.match(target):
        authority = match[1]
        # A target without a path is for the root, that of OPTIONS for the server as a whole.
        request.path = request.path or ("*" if request.method == "OPTIONS" else "/")
    else:
        raise _bad("the target is neither a path nor an http URL", request)
    # A user and a password in it are refused as well, as section 4.2.4 of RFC 9110 advises.
    if not _is_host(authority):
        raise _bad("the target does not have the name or address of a host", request)
    request.headers = [header for header in request.headers if header[0] != "HOST"]
    request.headers.append(("HOST", authority))


def _bad(detail: str, request: Any) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, detail, request)
