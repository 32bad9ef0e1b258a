"""`/`: who answers. `/echo`: what the server received."""

import base64
import hashlib
from typing import Any

from flask import Flask, request
from werkzeug.routing import Rule

from app.settings import Settings


def who_answers(settings: Settings) -> dict[str, str]:
    """Which version, and on which host (in a cluster: the pod)."""
    return {"version": settings.version, "host": settings.hostname}


def register(app: Flask, settings: Settings) -> None:
    """Add the routes to `app`."""

    @app.get("/")
    def index() -> dict[str, str]:
        """Name and version of the application, and the host (in a cluster: the pod) that answers."""
        return {"name": "flask-app", **who_answers(settings)}

    # A rule without methods matches every method, unknown ones included; app.route() can't say that.
    app.url_map.add(Rule("/echo", endpoint="echo"))

    @app.endpoint("echo")
    def echo() -> dict[str, Any]:
        """Describe the request: method, path, query, headers and body.

        The body is given as text when it is UTF-8, else base64-encoded under `body_base64`.
        """
        body = request.get_data(cache=False)
        described: dict[str, Any] = {
            **who_answers(settings),
            "method": request.method,
            "path": request.path,
            "query": request.args.to_dict(flat=False),
            # A list of pairs: a header may be sent more than once.
            "headers": list(request.headers.items()),
            "body_bytes": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        try:
            described["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            described["body_base64"] = base64.b64encode(body).decode("ascii")
        return described
