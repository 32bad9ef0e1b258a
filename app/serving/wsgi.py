"""Finds the application named by WSGI_APP and adds what production needs to it. Runs in each worker."""

import logging
from typing import TYPE_CHECKING

from flask import Flask
from gunicorn.errors import AppImportError
from gunicorn.util import import_app

from app.serving import tracing
from app.serving.context import RequestContextMiddleware
from app.serving.environment import SettingsError
from app.serving.settings import ServingSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load() -> "WSGIApplication":
    """The application, instrumented if it is a Flask one.

    Raises AppImportError, which gunicorn prints as it is and then stops, when the application can't be found
    or refuses its settings. Any other error of the application's own code keeps its traceback.
    """
    settings = ServingSettings.from_environment()
    try:
        application: WSGIApplication = import_app(settings.wsgi_app)
    except SettingsError as error:
        raise AppImportError(str(error)) from error
    if isinstance(application, Flask):
        # Imported late: prometheus_client decides at import how it keeps values.
        from app.serving import metrics

        metrics.instrument(application)
    else:
        logging.getLogger(__name__).warning(
            "WSGI_APP %s is a %s, not a flask.Flask: its requests are served but not measured",
            settings.wsgi_app,
            type(application).__name__,
        )
    return RequestContextMiddleware(tracing.instrument(application))
