"""Errors are answered as JSON problem details (RFC 9457), since this is an API."""

import json

from flask import Flask
from werkzeug import Response
from werkzeug.exceptions import HTTPException


def _problem(error: HTTPException) -> Response:
    # get_response() keeps what belongs to the status: Allow of a 405, Retry-After of a 429 or 503.
    response = Response.force_type(error.get_response())
    response.data = json.dumps({"status": error.code, "title": error.name, "detail": error.description}) + "\n"
    response.content_type = "application/problem+json"
    return response


def register(app: Flask) -> None:
    """Answer every HTTP error of `app`, an unhandled exception's 500 included, with problem details."""
    app.register_error_handler(HTTPException, _problem)
