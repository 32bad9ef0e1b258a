"""A WSGI application that answers with what it saw of the request, and writes it down."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SEEN = "X-Seen"
UNREAD = "/unread"
"""A path for which so many bytes of the body are read as the query says, none without a query; they are not told."""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 200, with the request's method, target, host, and the length and digest of its body as JSON in SEEN."""
    if environ["PATH_INFO"] == UNREAD:
        environ["wsgi.input"].read(int(environ["QUERY_STRING"] or 0))
        body = b""
    else:
        body = environ["wsgi.input"].read()
    line = seen(environ["REQUEST_METHOD"], environ["RAW_URI"], environ.get("HTTP_HOST", ""), body)
    record(os.environ["SEEN_FILE"], environ["REMOTE_ADDR"], line)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3"), (SEEN, line)])
    return [b"ok\n"]


def seen(method: str, target: str, host: str, body: bytes) -> str:
    """What is to be said of a request, as JSON in ASCII."""
    digest = hashlib.sha256(body).hexdigest()
    return json.dumps({"method": method, "target": target, "host": host, "length": len(body), "sha256": digest})


def record(path: str | os.PathLike[str], client: str, line: str) -> None:
    """Write a request down, before it is answered, in one piece, behind the address that its connection comes from."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{client} {line}\n".encode())
    os.close(file)
