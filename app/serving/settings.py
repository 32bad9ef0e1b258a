"""The serving layer's settings, each from one environment variable, read when gunicorn and its workers start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.serving.environment import Environment, SettingsError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
# prometheus_client's own.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_WSGI_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?", re.ASCII)


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
    log_format: str
    """LOG_FORMAT: json, plain, or auto: plain in a terminal, else json."""
    max_connections: int
    """MAX_CONNECTIONS: open connections of a worker; above it the one that has been idle longest is closed."""
    read_timeout: int
    """READ_TIMEOUT: seconds a client has to send a request's head, and its body, plus one for each KiB of body."""
    write_timeout: int
    """WRITE_TIMEOUT: seconds a client may go without taking any of its answer."""
    max_header_bytes: int
    """MAX_HEADER_BYTES: the largest request line and headers together; larger ones are answered 431."""
    max_body_bytes: int
    """MAX_BODY_BYTES: the largest request body; a larger one is answered 413."""
    body_buffer_bytes: int
    """BODY_BUFFER_BYTES: what a worker keeps of bodies that are still arriving, in all; above it it answers 503."""
    stall_timeout: int
    """STALL_TIMEOUT: seconds a request may go without reading or writing anything before the server counts as wedged
    and asks to be restarted; 0 means never."""
    startup_path: str
    """STARTUP_PATH: what is requested of the application before it counts as started; any status below 500 will do."""
    readiness_checks: tuple[str, ...]
    """READINESS_CHECKS: the application's own checks, `module:function`, separated by commas."""
    readiness_check_interval: int
    """READINESS_CHECK_INTERVAL: seconds between two runs of the checks."""
    readiness_check_timeout: int
    """READINESS_CHECK_TIMEOUT: seconds after which a check that has not answered has failed."""
    trusted_proxies: int
    """TRUSTED_PROXIES: how many proxies in front set X-Forwarded-For, -Proto and -Host; 0 believes none."""
    security_headers: bool
    """SECURITY_HEADERS: add the headers that harden browsers where the application has not set them."""
    hsts_seconds: int
    """HSTS_SECONDS: for how long browsers are to insist on https, told on requests that came by https; 0 is not."""
    problem_details: bool
    """PROBLEM_DETAILS: answer errors that the application does not handle with problem details (RFC 9457)."""
    metrics_buckets: tuple[float, ...]
    """METRICS_BUCKETS: upper bounds of the latency histogram in seconds, separated by commas."""
    secret_key: str
    """SECRET_KEY: signs Flask's session cookies, where the application has not set its own; the same in every pod."""

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
            log_format=env.choice("LOG_FORMAT", default="auto", choices=("auto", "json", "plain")),
            max_connections=env.integer("MAX_CONNECTIONS", default=1000, minimum=10, maximum=65535),
            read_timeout=env.integer("READ_TIMEOUT", default=20, minimum=1, maximum=3600),
            write_timeout=env.integer("WRITE_TIMEOUT", default=60, minimum=1, maximum=3600),
            max_header_bytes=env.integer("MAX_HEADER_BYTES", default=32 * KIB, minimum=KIB, maximum=MIB),
            max_body_bytes=env.integer("MAX_BODY_BYTES", default=16 * MIB, minimum=0, maximum=1024 * GIB),
            body_buffer_bytes=env.integer("BODY_BUFFER_BYTES", default=96 * MIB, minimum=MIB, maximum=1024 * GIB),
            stall_timeout=env.integer("STALL_TIMEOUT", default=120, minimum=0, maximum=86400),
            startup_path=env.text("STARTUP_PATH", default="/"),
            readiness_checks=env.names("READINESS_CHECKS"),
            readiness_check_interval=env.integer("READINESS_CHECK_INTERVAL", default=5, minimum=1, maximum=3600),
            readiness_check_timeout=env.integer("READINESS_CHECK_TIMEOUT", default=2, minimum=1, maximum=600),
            trusted_proxies=env.integer("TRUSTED_PROXIES", default=0, minimum=0, maximum=10),
            security_headers=env.boolean("SECURITY_HEADERS", default=True),
            hsts_seconds=env.integer("HSTS_SECONDS", default=0, minimum=0, maximum=10 * 365 * 86400),
            problem_details=env.boolean("PROBLEM_DETAILS", default=True),
            metrics_buckets=env.numbers("METRICS_BUCKETS", default=DEFAULT_BUCKETS),
            secret_key=env.text("SECRET_KEY", default=""),
        )
        env.check()
        if settings.port == settings.management_port:
            raise SettingsError([f"MANAGEMENT_PORT={settings.port} is PORT too: set them to two different ports"])
        if not _WSGI_APP.fullmatch(settings.wsgi_app):
            accepted = "module:name or module:factory(), such as app.api:create_app()"
            raise SettingsError([f"WSGI_APP={settings.wsgi_app!r} can't be accepted: set it to {accepted}"])
        return settings
