"""What kind of application a class or function of a known library makes."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What an object is, as far as serving it goes."""

    FLASK = "Flask"
    DASH = "Dash"
    DJANGO = "Django"
    WSGI = "WSGI"
    ASGI = "ASGI"
    OTHER_SERVER = "an application with its own server"
    """Neither WSGI nor ASGI: it brings its own server."""

    @property
    def is_wsgi(self) -> bool:
        """Whether it can be served here."""
        return self in (Kind.FLASK, Kind.DASH, Kind.DJANGO, Kind.WSGI)


_FLASK = (
    "flask.Flask", "flask.app.Flask", "apiflask.APIFlask", "flask_openapi3.OpenAPI", "flask_api.FlaskAPI", "eve.Eve",
    "connexion.apps.flask_app.FlaskApp().app",
)  # fmt: skip
_DASH = (
    "dash.Dash", "dash.dash.Dash", "dash_extensions.enrich.Dash", "dash_extensions.enrich.DashProxy",
    "jupyter_dash.JupyterDash",
)  # fmt: skip
_DJANGO = (
    "django.core.wsgi.get_wsgi_application", "django.core.handlers.wsgi.WSGIHandler",
    "configurations.wsgi.get_wsgi_application",
)  # fmt: skip
WRAPPERS = frozenset((
    "werkzeug.middleware.dispatcher.DispatcherMiddleware", "werkzeug.wsgi.DispatcherMiddleware",
    "werkzeug.middleware.proxy_fix.ProxyFix", "werkzeug.contrib.fixers.ProxyFix",
    "werkzeug.middleware.shared_data.SharedDataMiddleware", "werkzeug.wsgi.SharedDataMiddleware",
    "whitenoise.WhiteNoise", "whitenoise.base.WhiteNoise", "beaker.middleware.SessionMiddleware",
    "socketio.WSGIApp", "socketio.Middleware",
))  # fmt: skip
"""Those that wrap another application, given as their first argument."""
_WSGI = (
    "bottle.Bottle", "bottle.default_app", "bottle.app", "falcon.API", "falcon.App", "falcon.app.App",
    "webapp2.WSGIApplication", "web.application().wsgifunc", "pecan.make_app", "paste.deploy.loadapp",
    "pyramid.config.Configurator().make_wsgi_app", "pyramid.paster.get_app", "cherrypy.Application",
    "cherrypy.tree.mount", "webob.dec.wsgify", "morepath.App()", "a2wsgi.ASGIMiddleware",
    "connexion.FlaskApp", "connexion.App", "connexion.apps.flask_app.FlaskApp",
    "spyne.server.wsgi.WsgiApplication", "wsgidav.wsgidav_app.WsgiDAVApp", "prometheus_client.make_wsgi_app",
    "tg.MinimalApplicationConfigurator().make_wsgi_app", "hug.API().http.server", "nevow.wsgi.WSGIApplication",
    *WRAPPERS,
)  # fmt: skip
_ASGI = (
    "fastapi.FastAPI", "fastapi.applications.FastAPI", "starlette.applications.Starlette", "quart.Quart",
    "litestar.Litestar", "starlite.Starlite", "sanic.Sanic", "connexion.AsyncApp", "falcon.asgi.App",
    "channels.routing.ProtocolTypeRouter", "django.core.asgi.get_asgi_application", "blacksheep.Application",
    "socketio.ASGIApp", "asgiref.wsgi.WsgiToAsgi", "uvicorn.middleware.wsgi.WSGIMiddleware", "a2wsgi.WSGIMiddleware",
    "quart_trio.QuartTrio",
)  # fmt: skip
_OTHER_SERVER = (
    "aiohttp.web.Application", "tornado.web.Application", "twisted.web.server.Site", "robyn.Robyn", "nicegui.ui.run",
)  # fmt: skip

MAKERS: dict[str, Kind] = {
    **dict.fromkeys(_FLASK, Kind.FLASK),
    **dict.fromkeys(_DASH, Kind.DASH),
    **dict.fromkeys(_DJANGO, Kind.DJANGO),
    **dict.fromkeys(_WSGI, Kind.WSGI),
    **dict.fromkeys(_ASGI, Kind.ASGI),
    **dict.fromkeys(_OTHER_SERVER, Kind.OTHER_SERVER),
}
"""By the full name of what is called. `().name` is a method of what the call before it returns."""

PACKAGES = {Kind.FLASK: "flask", Kind.DJANGO: "django", Kind.DASH: "dash"}
"""The distribution that makes applications of this kind, and by which names of its extensions begin."""
LIBRARIES = frozenset(name.partition(".")[0] for name in MAKERS)
"""The packages that hold these classes and functions."""
