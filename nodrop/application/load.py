"""The application named by WSGI_APP, with what production needs added to it. Runs in each worker."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask
from gunicorn.errors import AppImportError

from nodrop.application import own_server
from nodrop.application.debugging import debug_by_default, switch_debugger_off, without_debugging
from nodrop.application.named import find_application
from nodrop.application.nested import flasks_of
from nodrop.application.patched import threads_replaced_by
from nodrop.config.settings import KEY_BYTES, ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.config.types import MAKE_KEY, is_guessable
from nodrop.importing.find import FindError
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.own_messages import redact_own
from nodrop.logs.masking.redaction import redact_text
from nodrop.metrics.worker_metrics import server_metrics
from nodrop.tracing import opentelemetry as tracing
from nodrop.wsgi import problems, session_cookies
from nodrop.wsgi.edge import proxies
from nodrop.wsgi.edge.hosts import AllowedHosts
from nodrop.wsgi.edge.prefix import UrlPrefix
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
    measure: Callable[..., WSGIApplication] | None = None
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # by nodrop/gunicorn.py; there is nobody to tell otherwise
        # Not before: prometheus_client decides at import how it keeps values. Nor after the application, which may have
        # modules of its own that are called like what it imports.
        from nodrop.metrics.request_metrics import measured

        measure = measured
    application, settings = _find(development)
    if not development:
        _require_threads(settings)
        application = without_debugging(application)
    flasks = flasks_of(application)
    for flask in flasks:
        flask.debug |= development
        _prepare(flask, settings)
        if not development:
            _warn_of_short_key(flask)
    if not flasks:
        logging.getLogger(__name__).info(
            "no Flask application was found in it: it is served as it is, without problem details and SECRET_KEY"
        )
    loaded = application
    if measure:
        application = measure(application, settings.metrics_buckets)
    return _with_middleware(tracing.instrument(application), settings)


def _find(development: bool) -> "tuple[WSGIApplication, ServingSettings]":
    """The application as its own code makes it, in the environment that it is to have; and the settings."""
    try:
        environment = Environment(os.environ)
        settings, _ = ServingSettings.read(environment)
        # Here, in the worker, and not in the master, so that a reload reads secrets that have been replaced.
        os.environ.update(environment.secret_variables())
        known_secrets.hide_environment(os.environ, environment.folder)
        # Read above, as another name of URL_PREFIX. gunicorn reads it for each request, and answers 500 outside of it.
        os.environ.pop("SCRIPT_NAME", None)
        debug_by_default(development)
        if not development:
            switch_debugger_off()
        with own_server.left_out(), session_cookies.noting_what_is_set():
            application = find_application(settings.wsgi_app)
    # gunicorn prints it, past the log.
    except SettingsError as error:
        raise AppImportError(redact_own(str(error))) from error
    except FindError as error:
        raise AppImportError(redact_text(str(error))) from error
    return application, settings


def _require_threads(settings: ServingSettings) -> None:
    """Raise AppImportError where gunicorn's threads are to serve an application that has none."""
    if settings.server == "gthread" and (call := threads_replaced_by()):
        raise AppImportError(
            f"the application has called {call}, with which SERVER={settings.server} answers nothing: unset SERVER"
        )


def _prepare(app: Flask, settings: ServingSettings) -> None:
    """Give a Flask application what it has not set itself."""
    if settings.secret_key and not app.secret_key:
        app.secret_key = settings.secret_key
    session_cookies.harden(app)
    if settings.problem_details:
        problems.register(app)
    known_secrets.hide_configuration(app.config)
    _warn_of_body_limit(app, settings.max_body_bytes)


def _with_middleware(application: "WSGIApplication", settings: ServingSettings) -> "WSGIApplication":
    """The application behind what decides about a request, and adds to an answer, without knowing it."""
    refused = server_metrics().refused
    if settings.url_prefix:
        application = UrlPrefix(
            application, settings.url_prefix, stripped=settings.url_prefix_stripped, refused=refused
        )
    if settings.allowed_hosts:
        application = AllowedHosts(application, settings.allowed_hosts, refused)
    if settings.security_headers:
        application = SecurityHeaders(application, hsts_seconds=settings.hsts_seconds)
    # So far out that nothing is logged of a request without its ids, which an untrusted peer has no say in.
    application = RequestContextMiddleware(application)
    return proxies.behind(application, settings.trusted_proxies, settings.forwarded_headers)


def _warn_of_short_key(app: Flask) -> None:
    """Say so if the application's own key is one that could be guessed from a session cookie."""
    key = app.secret_key or b""
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    length = len(key if isinstance(key, bytes) else key.encode())
    if length >= KEY_BYTES and is_guessable(text):
        logging.getLogger(__name__).warning(
            "the application's own SECRET_KEY is a placeholder, or has few different characters, which anyone can "
            "guess: use one such as what %s prints",
            MAKE_KEY,
        )
    elif 0 < length < KEY_BYTES:
        logging.getLogger(__name__).warning(
            "the application's own SECRET_KEY has %d bytes, which anyone who has a session can guess: use one of %d "
            "or more, such as what %s prints",
            length,
            KEY_BYTES,
            MAKE_KEY,
        )


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
