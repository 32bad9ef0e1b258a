"""Finds the application named by WSGI_APP and adds what production needs to it. Runs in each worker."""

from typing import TYPE_CHECKING

from gunicorn.errors import AppImportError
from gunicorn.util import import_app

from app.serving.environment import SettingsError
from app.serving.settings import ServingSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load() -> "WSGIApplication":
    """The application, measured.

    Raises AppImportError, which gunicorn prints as it is and then stops, when the application can't be found
    or refuses its settings. Any other error of the application's own code keeps its traceback.
    """
    settings = ServingSettings.from_environment()
    try:
        application: WSGIApplication = import_app(settings.wsgi_app)
    except SettingsError as error:
        raise AppImportError(str(error)) from error
    # Imported late: prometheus_client decides at import how it keeps values.
    from app.serving import metrics

    return metrics.measured(application, settings.metrics_buckets)
