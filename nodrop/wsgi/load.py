"""The application named by WSGI_APP, with what production needs added to it. Runs in each worker."""

import logging
import os
from typing import TYPE_CHECKING

from flask import Flask
from gunicorn.errors import AppImportError

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.find import ApplicationError, find
from nodrop.logs import known_secrets
from nodrop.logs.redaction import redact_text
from nodrop.tracing import opentelemetry as tracing
from nodrop.wsgi import problems, proxies
from nodrop.wsgi.debugging import debug_by_default, switch_debugger_off, without_debugging
from nodrop.wsgi.nested import flasks_of
from nodrop.wsgi.request_context import RequestContextMiddleware
from nodrop.wsgi.security_headers import SecurityHeaders

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


loaded: "WSGIApplication | None" = None
"""The application as its own code made it, once load() has found it."""


def load(*, development: bool = False) -> "WSGIApplication":
    """The application, instrumented if it is a Flask one, behind what every application gets.

    What SECRETS_DIR holds is in its environment.

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
        known_secrets.hide_environment(os.environ, environment.folder)
        debug_by_default(development)
        if not development:
            switch_debugger_off()
        application = find(settings.wsgi_app)
    except (SettingsError, ApplicationError) as error:
        # gunicorn prints it, past the log.
        raise AppImportError(redact_text(str(error))) from error
    if not development:
        application = without_debugging(application)
    flasks = flasks_of(application)
    for flask in flasks:
        if development:
            flask.debug = True
        if settings.secret_key and not flask.secret_key:
            flask.secret_key = settings.secret_key
        if settings.problem_details:
            problems.register(flask)
        known_secrets.hide_configuration(flask.config)
        _warn_of_body_limit(flask, settings.max_body_bytes)
    if not flasks:
        logging.getLogger(__name__).info(
            "no Flask application was found in WSGI_APP=%s: it is served, without problem details and SECRET_KEY",
            settings.wsgi_app,
        )
    loaded = application
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # by nodrop/gunicorn.py; there is nobody to tell otherwise
        # Imported late: prometheus_client decides at import how it keeps values.
        from nodrop.metrics import requests as metrics

        application = metrics.measured(application, settings.metrics_buckets)
    application = tracing.instrument(application)
    if settings.security_headers:
        application = SecurityHeaders(application, hsts_seconds=settings.hsts_seconds)
    # The context is outermost, so that nothing is logged of a request without its ids.
    return RequestContextMiddleware(proxies.behind(application, settings.trusted_proxies))


def _warn_of_body_limit(app: Flask, maximum: int) -> None:
    """Say so if the worker refuses bodies that the application would accept.

    The limit is not handed to Flask as well: MAX_CONTENT_LENGTH cuts a body that comes without a length short, and
    says nothing, where the worker answers 413.
    """
    own = app.config.get("MAX_CONTENT_LENGTH")
    if own is not None and own > maximum:
        logging.getLogger(__name__).warning(
            "the application's MAX_CONTENT_LENGTH is %d, but bodies above MAX_BODY_BYTES=%d do not reach it: "
            "raise MAX_BODY_BYTES",
            own,
            maximum,
        )
