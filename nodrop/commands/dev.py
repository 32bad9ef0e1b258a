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
import traceback
from typing import TYPE_CHECKING, NoReturn

from gunicorn.errors import AppImportError
from werkzeug.serving import is_running_from_reloader, run_simple

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"


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
    # The reloader serves from a child, which it starts anew at each change; the application is for the child only.
    if is_running_from_reloader():
        run(settings, _load())
    else:
        _require_free(settings.port)
        run(settings, _not_here)


def run(settings: ServingSettings, application: "WSGIApplication") -> None:
    """Serve `application` until a file changes or Ctrl-C."""
    # Its line for each request and its notes have the level info.
    logging.getLogger("werkzeug").setLevel(logging.INFO if settings.access_log else logging.WARNING)
    run_simple(HOST, settings.port, application, threaded=True, use_reloader=True, use_debugger=True)


def _load() -> "WSGIApplication":
    """The application; or, if its code can't be loaded, one that shows why until the code is changed."""
    from nodrop.application import load as loading  # as late as in a worker: it imports what reads the environment

    try:
        return loading.load(development=True)
    except AppImportError as error:
        # The environment of this process does not change, however often the code does.
        if isinstance(error.__cause__, SettingsError):
            sys.exit(str(error))
        failure: Exception = error
    except Exception as error:
        failure = error
    traceback.print_exception(failure)

    def broken(environ: "WSGIEnvironment", start_response: "StartResponse") -> NoReturn:  # noqa: ARG001
        raise failure

    return broken


def _not_here(environ: "WSGIEnvironment", start_response: "StartResponse") -> NoReturn:
    raise NotImplementedError("the reloader's parent serves nothing")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = "already in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
            sys.exit(f"port {port} is {why}: stop what uses it, or choose another with PORT=<port>")
