"""`nodrop dev`: the application on Werkzeug's development server, reloaded on change, with its debugger.

It is loaded as gunicorn's workers load it, with the same settings, so that it behaves alike; but there is no
management port, and exceptions are shown. It listens on this machine only, since whoever reaches the debugger and
learns its PIN can run any code.
"""

import errno
import logging
import os
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, NoReturn

from gunicorn.errors import AppImportError
from werkzeug.debug import DebuggedApplication
from werkzeug.serving import BaseWSGIServer, make_server

from nodrop.commands.reloading import Watch, keep_serving
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
BACKLOG = 128
"""Connections that may wait while the application is loaded."""


def main() -> None:
    """Serve until Ctrl-C. Exits with a message when a setting can't be accepted, or in a cluster."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        sys.exit(
            "the development server does not run in Kubernetes (KUBERNETES_SERVICE_HOST is set), where its debugger "
            "would be a way in: start gunicorn --config python:nodrop.gunicorn"
        )
    # In memory rather: the files are for several processes.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    try:
        settings = ServingSettings.from_environment()
    except SettingsError as error:
        sys.exit(str(error))
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    listener = _listening(settings.port)
    log = logging.getLogger(__name__)
    log.info("serving on http://%s:%d, started anew when a file changes; Ctrl-C stops it", HOST, settings.port)
    # For each child, which then imports the application alone.
    from nodrop.application import load  # noqa: F401

    keep_serving(lambda: _serve(settings, listener))


def _serve(settings: ServingSettings, listener: socket.socket) -> NoReturn:
    """In a child: load the application, and serve it until a file changes."""
    log = logging.getLogger(__name__)
    server: BaseWSGIServer | None = None

    def changed(file: str) -> None:
        if server:
            # Whoever asks from now on waits for the next child.
            server.socket.close()
        log.info("%s has changed", file)

    watch = Watch(changed)
    application, is_broken = _load()
    # Its line for each request has the level info.
    logging.getLogger("werkzeug").setLevel(logging.INFO if settings.access_log else logging.WARNING)
    debugger = DebuggedApplication(application, evalex=True)
    debugger.trusted_hosts.append(HOST)
    server = make_server(HOST, settings.port, debugger, threaded=True, fd=listener.fileno())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watch.exit_on_change(is_broken=is_broken)


def _load() -> "tuple[WSGIApplication, bool]":
    """The application, and False; or, if its code can't be loaded, one that shows why, and True."""
    from nodrop.application import load as loading

    try:
        return loading.load(development=True), False
    except AppImportError as error:
        # The environment of this process does not change, however often the code does.
        if isinstance(error.__cause__, SettingsError):
            sys.exit(str(error))
        failure: BaseException = error
    except (Exception, SystemExit) as error:
        failure = error
    traceback.print_exception(failure)

    def broken(environ: "WSGIEnvironment", start_response: "StartResponse") -> NoReturn:  # noqa: ARG001
        raise failure

    return broken, True


def _listening(port: int) -> socket.socket:
    """The socket that every child accepts from. Exits where the port can't be had."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        why = "already in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
        sys.exit(f"port {port} is {why}: stop what uses it, or choose another with PORT=<port>")
    return listener
