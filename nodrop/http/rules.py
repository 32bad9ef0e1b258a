"""Rules of HTTP that gunicorn's parser doesn't apply."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from nodrop.http.refusals import Refusal


def check_transfer_codings(request: Any) -> None:
    """Raise Refusal unless the body is as it is, or chunked and nothing else."""
    codings = [value.lower() for name, value in request.headers if name == "TRANSFER-ENCODING"]
    if codings not in ([], ["chunked"]):
        # gunicorn lets compressed bodies through, as they are; nothing behind it would know.
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "only chunked is implemented as a transfer coding", request)


def check(request: Any) -> None:
    """Raise Refusal for a head that HTTP/1.1 forbids; have the connection closed where the client asks for it."""
    names = [name for name, _ in request.headers]
    if request.version >= (1, 1) and names.count("HOST") != 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, "a request of HTTP/1.1 has one Host header", request)
    # It is a list, of which gunicorn knows only the one that has nothing but `close`.
    options = ",".join(value for name, value in request.headers if name == "CONNECTION").lower().split(",")
    if "close" in (option.strip(" \t") for option in options):
        request.force_close()
