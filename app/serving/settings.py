"""The serving layer's settings, each from one environment variable, read when gunicorn and its workers start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.serving.environment import Environment, SettingsError

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_WSGI_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*(\(\))?", re.ASCII)


@dataclass(frozen=True)
class ServingSettings:
    """What the serving layer can be told from outside; one environment variable a field."""

    wsgi_app: str
    """WSGI_APP: the application, `module:name`, or `module:factory()` to have it built by a call."""
    port: int
    """PORT: where the application is served."""
    management_port: int
    """MANAGEMENT_PORT: where health and metrics are served, apart from the application."""
    workers: int
    """WEB_CONCURRENCY: worker processes. Scale by pods; more than one only where a pod has several cores."""
    threads: int
    """WEB_THREADS: threads in each worker, that is the requests it can have in hand at once."""
    graceful_timeout: int
    """GRACEFUL_TIMEOUT: seconds a stopping worker has for the requests it has in hand."""
    keep_alive: int
    """KEEP_ALIVE: seconds an idle connection is kept open for its next request."""
    log_level: str
    """LOG_LEVEL: the least severe level that is logged."""
    access_log: bool
    """ACCESS_LOG: one line a request."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> ServingSettings:
        """Read and validate; raises SettingsError that names every variable that can't be accepted."""
        env = Environment(variables)
        settings = cls(
            wsgi_app=env.text("WSGI_APP", default="app.api:create_app()"),
            port=env.integer("PORT", default=5000, minimum=1, maximum=65535),
            management_port=env.integer("MANAGEMENT_PORT", default=5001, minimum=1, maximum=65535),
            workers=env.integer("WEB_CONCURRENCY", default=1, minimum=1, maximum=64),
            threads=env.integer("WEB_THREADS", default=8, minimum=1, maximum=256),
            graceful_timeout=env.integer("GRACEFUL_TIMEOUT", default=30, minimum=1, maximum=3600),
            # Longer than a proxy in front keeps its own: else it may send on a connection just closed here.
            keep_alive=env.integer("KEEP_ALIVE", default=75, minimum=1, maximum=3600),
            log_level=env.choice("LOG_LEVEL", default="info", choices=LOG_LEVELS),
            access_log=env.boolean("ACCESS_LOG", default=True),
        )
        env.check()
        if settings.port == settings.management_port:
            raise SettingsError([f"MANAGEMENT_PORT={settings.port} is PORT too: set them to two different ports"])
        if not _WSGI_APP.fullmatch(settings.wsgi_app):
            accepted = "module:name or module:factory(), such as app.api:create_app()"
            raise SettingsError([f"WSGI_APP={settings.wsgi_app!r} can't be accepted: set it to {accepted}"])
        return settings
