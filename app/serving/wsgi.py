"""Finds the application named by WSGI_APP and adds what production needs to it. Runs in each worker."""

import os
from typing import TYPE_CHECKING

from flask import Flask
from gunicorn.errors import AppImportError
from gunicorn.util import import_app

from app.serving import tracing
from app.serving.context import RequestContextMiddleware
from app.serving.debugging import debug_by_default, without_debugging
from app.serving.environment import Environment, SettingsError
from app.serving.settings import ServingSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


loaded: "WSGIApplication | None" = None
"""The application as its own code made it, once load() has found it."""


def load(*, development: bool = False) -> "WSGIApplication":
    """The application, measured. What SECRETS_DIR holds is in its environment.

    development: make the application debug. Otherwise it can't, whatever it or its environment says.
    Raises AppImportError, which gunicorn prints as it is and then stops, when the application can't be found
    or refuses its settings. Any other error of the application's own code keeps its traceback.
    """
    global loaded  # noqa: PLW0603
    try:
        environment = Environment(os.environ)
        settings, _ = ServingSettings.read(environment)
        # Here, in the worker, and not in the master, so that a reload reads secrets that have been replaced.
        os.environ.update(environment.secret_variables())
        debug_by_default(development)
        application: WSGIApplication = import_app(settings.wsgi_app)
    except SettingsError as error:
        raise AppImportError(str(error)) from error
    if not development:
        application = without_debugging(application)
    if isinstance(application, Flask):
        if development:
            application.debug = True
        if settings.secret_key and not application.secret_key:
            application.secret_key = settings.secret_key
    loaded = application
    if not development:
        # Imported late: prometheus_client decides at import how it keeps values.
        from app.serving import metrics

        application = metrics.measured(application, settings.metrics_buckets)
    # The context is outermost, so that nothing is logged of a request without its ids.
    return RequestContextMiddleware(tracing.instrument(application))
