"""The example application: replace this package with your own.

It is a plain Flask application, which imports nothing from nodrop. Without WSGI_APP it is found as `flask run` finds
it: by the factory `create_app()` in the package `app`.
"""

from flask import Flask

from app import load, routes
from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application.

    settings: the application's own settings; read from the process environment when not given.
    Raises SystemExit, with a line that says why, when a variable of the environment can't be accepted.
    """
    if settings is None:
        settings = Settings.from_environment()
    app = Flask("app")
    # A route without the trailing slash answers with or without it, instead of redirecting: a redirect would
    # name the pod's own idea of its address, which a client behind a proxy may not reach.
    app.url_map.strict_slashes = False
    routes.register(app, settings)
    if settings.load_endpoints:
        load.register(app, settings)
    return app
