"""No debugger and no page with a traceback in production, whatever the application or its environment asks for."""

import logging
import os
from typing import TYPE_CHECKING

from flask import Flask
from flask.helpers import get_debug_flag
from werkzeug.debug import DebuggedApplication

from app.serving.parts import behind_of, parts_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_REMEDY = "a debugger would show the source to everyone. For development there is make dev"
_log = logging.getLogger(__name__)


def debug_by_default(wanted: bool) -> None:
    """Decide what FLASK_DEBUG says to an application that is loaded from now; a warning where it said otherwise."""
    if wanted:
        os.environ["FLASK_DEBUG"] = "1"
    elif get_debug_flag():
        _log.warning("FLASK_DEBUG is ignored: %s", _REMEDY)
        del os.environ["FLASK_DEBUG"]


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
    while isinstance(application, DebuggedApplication):
        _log.warning("Werkzeug's debugger around the application is taken off: %s", _REMEDY)
        application = application.app
    return application
