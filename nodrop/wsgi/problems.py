"""Problem details (RFC 9457) for the errors that an application leaves to Flask.

Without a handler of the application's own, Flask answers an error with Werkzeug's HTML page, which an API's client
can't read. Whatever the application does say is left as it is: its error handlers, blueprints' included, responses
given to abort(), exceptions that write their own body, redirects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug import Response
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CONTENT_TYPE = "application/problem+json"


def problem_body(status: int, title: str, detail: str, request_id: str = "") -> bytes:
    """A problem as JSON, ended by a newline. The request's id is left out when it is empty."""
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if request_id:
        problem["request_id"] = request_id
    return json.dumps(problem).encode() + b"\n"


def refuse(environ: WSGIEnvironment, start_response: StartResponse, status: HTTPStatus, detail: str) -> Iterable[bytes]:
    """Answer for middleware, as a WSGI application: the request does not reach the application."""
    body = problem_body(status, status.phrase, detail, environ.get("nodrop.request_id", ""))
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def register(app: Flask) -> None:
    """Answer what no error handler of `app` takes, an unhandled exception's 500 included, with problem details."""
    handlers = app.error_handler_spec[None][None]
    if HTTPException in handlers:
        return

    def answer(error: HTTPException) -> ResponseReturnValue:
        # Flask asks for the handlers of a class and its bases, in this order, and this one stands before those of
        # Exception and of other bases that an exception of the application's own may have.
        bases = type(error).__mro__
        for base in bases[bases.index(HTTPException) + 1 :]:
            if handler := handlers.get(base):
                return app.ensure_sync(handler)(error)  # type: ignore[no-any-return]
        # With TRAP_HTTP_EXCEPTIONS the application wants these raised, as they are when nobody takes them; Flask then
        # comes back with the 500 of an exception that nobody handled.
        if getattr(error, "original_exception", None) is None and app.trap_http_exception(error):
            raise error
        return error if _is_the_applications_own(error) else _problem(error)

    app.register_error_handler(HTTPException, answer)


def _is_the_applications_own(error: HTTPException) -> bool:
    """Whether the exception brings its own answer, or is none of an error."""
    kind = type(error)
    return (
        error.response is not None
        or kind.get_response is not HTTPException.get_response
        or kind.get_body is not HTTPException.get_body
        or not (error.code and error.code >= 400)
    )


def _problem(error: HTTPException) -> ResponseReturnValue:
    # Keeps what belongs to the status: Allow of a 405, Retry-After of a 429 or 503, WWW-Authenticate of a 401.
    response = Response.force_type(error.get_response(request.environ))
    if response.mimetype != "text/html":
        return response
    # Both kinds depend on it, and many errors may be kept by caches.
    response.headers.add("Vary", "Accept")
    if _prefers_html():
        return response
    assert error.code
    response.data = problem_body(
        error.code,
        error.name,
        # Werkzeug's own text, or what the application gave to abort() for the client to read; not always a string.
        "" if error.description is None else str(error.description),
        request.environ.get("nodrop.request_id", ""),
    )
    response.content_type = CONTENT_TYPE
    return response


def _prefers_html() -> bool:
    """Whether the client likes HTML better than JSON: browsers say so, most others take anything or say nothing."""
    accepted = request.accept_mimetypes
    return accepted.quality("text/html") > max(accepted.quality(CONTENT_TYPE), accepted.quality("application/json"))
