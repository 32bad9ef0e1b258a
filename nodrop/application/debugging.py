"""No debugger and no page with a traceback in production, whatever the application or its environment asks for."""

import functools
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from flask.helpers import get_debug_flag
from werkzeug.debug import DebuggedApplication

from nodrop.application.nested import MOST, behind_of, parts_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REMEDY = "a debugger would show the source to everyone. For development, run nodrop dev"
_log = logging.getLogger(__name__)


def debug_by_default(wanted: bool) -> None:
    """Decide what FLASK_DEBUG says to an application that is loaded from now; a warning where it said otherwise."""
    if wanted:
        os.environ["FLASK_DEBUG"] = "1"
    elif get_debug_flag():
        _log.warning("FLASK_DEBUG is ignored: %s", _REMEDY)
        del os.environ["FLASK_DEBUG"]


def switch_debugger_off() -> None:
    """Have Werkzeug's debugger do nothing in this process: an application may keep one where nobody finds it."""
    DebuggedApplication.__call__ = _pass_on  # type: ignore[method-assign, assignment]


def _pass_on(
    debugger: DebuggedApplication, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    _warn_of_debugger_in_use()
    return debugger.app(environ, start_response)


@functools.cache
def _warn_of_debugger_in_use() -> None:
    """Once, although every request comes by."""
    _log.warning("Werkzeug's debugger that the application has somewhere is passed by: %s", _REMEDY)


def without_debugging(application: "WSGIApplication") -> "WSGIApplication":
    """The application without what its own code did to show errors, be it in a part of it; a warning where it did."""
    application = _unwrapped(application)
    for part in parts_of(application):
        if isinstance(part, Flask) and part.debug:
            _log.warning("the application's debug = True is undone: %s", _REMEDY)
            part.debug = False
        for holder, name, behind in list(behind_of(part)):
            if isinstance(holder, dict):
                holder[name] = _unwrapped(behind)
            elif isinstance(behind, DebuggedApplication):
                setattr(holder, name, _unwrapped(behind))
    return application


def _unwrapped(application: "WSGIApplication") -> "WSGIApplication":
    behind = application
    for _ in range(MOST):
        if not isinstance(behind, DebuggedApplication):
            break
        behind = behind.app
    if behind is not application:
        _log.warning("Werkzeug's debugger around the application is taken off: %s", _REMEDY)
    return behind
