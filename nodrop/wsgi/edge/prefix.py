"""The path that the application is served under: URL_PREFIX.

A proxy may pass a request on with the prefix in its path, or strip the prefix and tell it in X-Forwarded-Prefix, or
strip it and tell nothing. In each case the application gets the prefix as SCRIPT_NAME and the rest as PATH_INFO, so
that its routes do not know of the prefix and what it builds with url_for and redirects has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from nodrop.wsgi.problems import refuse
from nodrop.wsgi.route import PREFIX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class UrlPrefix:
    """WSGI middleware. Stands inside of whatever trusts X-Forwarded-Prefix."""

    def __init__(
        self, application: WSGIApplication, prefix: str, *, stripped: bool, refused: Callable[[HTTPStatus], None]
    ) -> None:
        """prefix: such as /shop. stripped: the proxy strips it, and every path is one of the application's own; else
        what is outside of the prefix is answered 404. refused: called for each request that is.
        """
        self._application = application
        self._prefix = prefix
        self._stripped = stripped
        self._refused = refused

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # A trusted proxy that has told what it stripped knows it best.
        if not environ.get("SCRIPT_NAME"):
            if not self._stripped:
                path = environ["PATH_INFO"]
                if path != self._prefix and not path.startswith(f"{self._prefix}/"):
                    self._refused(HTTPStatus.NOT_FOUND)
                    detail = f"this server serves paths under {self._prefix}/ alone"
                    return refuse(environ, start_response, HTTPStatus.NOT_FOUND, detail)
                environ["PATH_INFO"] = path[len(self._prefix) :]
                environ[PREFIX] = self._prefix
            environ["SCRIPT_NAME"] = self._prefix
        return self._application(environ, start_response)
