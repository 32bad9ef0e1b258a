"""The WSGI environment of a request, as gunicorn makes it (tests/test_parsing.py compares), at a part of the cost.

What is the same for all requests of a worker, and of a connection, is made once and copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.http.wsgi import base_environ
from gunicorn.util import unquote_to_wsgi_str

from nodrop.http.answers.files import FileBody
from nodrop.http.connection.takeover import TakenOver
from nodrop.http.requests.names import WITHOUT_HTTP
from nodrop.http.requests.ordinary import OrdinaryRequest
from nodrop.wsgi.input import Input

if TYPE_CHECKING:
    from nodrop.http.answers.response import Response
    from nodrop.http.connection.connection import Connection


class Environments:
    """Makes the environments of a worker."""

    def __init__(self, cfg: Any) -> None:
        """cfg: gunicorn's configuration."""
        self._base = base_environ(cfg) | {"wsgi.multithread": True, "wsgi.file_wrapper": FileBody, "SCRIPT_NAME": ""}

    def of(self, connection: Connection, response: Response) -> dict[str, Any]:
        """The environment of the connection's request, which `response` answers."""
        request = connection.request
        environ = (connection.variables or self._variables(connection)).copy()
        environ.update(request_variables(request))
        path: str = request.path
        environ["PATH_INFO"] = unquote_to_wsgi_str(path) if "%" in path else path
        environ["gunicorn.socket"] = TakenOver(connection)
        environ["wsgi.early_hints"] = response.send_early_hints
        environ["wsgi.input"] = Input(request.body, connection.progressed)
        environ["wsgi.url_scheme"] = request.scheme
        return environ

    def _variables(self, connection: Connection) -> dict[str, Any]:
        """What is the same for all requests of the connection, kept there."""
        client, server = connection.client, connection.server
        connection.variables = self._base | {
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
        }
        return connection.variables


def request_variables(request: Any) -> dict[str, Any]:
    """What the environment has of the request's head; `nodrop.*` and the rest come from elsewhere."""
    # Somebody may have changed the headers who has looked at them.
    if isinstance(request, OrdinaryRequest) and request.changed_headers is None:
        variables: dict[str, Any] = request.variables.copy()
    else:
        variables = variables_of(request.headers)
    variables["QUERY_STRING"] = request.query
    variables["RAW_URI"] = request.uri
    variables["REQUEST_METHOD"] = request.method
    variables["SERVER_PROTOCOL"] = "HTTP/{}.{}".format(*request.version)
    return variables


def variables_of(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The variables for these headers, whose names are in upper case; those of one name are joined."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(WITHOUT_HTTP.get(name) or f"HTTP_{name.replace('-', '_')}", []).append(value)
    return {name: ",".join(values) for name, values in found.items()}
