"""What gunicorn is configured with: its names, from our settings."""

from __future__ import annotations

from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.system.addresses import ALL, ALL_IPV4, BACKLOG, shown
from nodrop.system.runtime_folder import memory_folder

LOADER = "nodrop.application.load:load()"
WORKERS = {"nodrop": "nodrop.http.worker.Worker", "gthread": "nodrop.server.gthread.Worker"}
"""The worker class for each value of SERVER."""


def values(settings: ServingSettings) -> dict[str, Any]:
    """gunicorn's settings, hooks left out, that are not left at gunicorn's defaults."""
    return {
        # A worker loads the application by itself; gunicorn only needs a name (nodrop/application/load.py).
        "wsgi_app": LOADER,
        "bind": shown(settings.bind_address, settings.port),
        "backlog": BACKLOG,
        "worker_class": WORKERS[settings.server],
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_connections": settings.max_connections,
        "max_requests": settings.max_requests,
        "max_requests_jitter": settings.max_requests_jitter,
        # The worker ends by itself when GRACEFUL_TIMEOUT is over, and says what it cut off; this is for one that can't.
        "graceful_timeout": settings.graceful_timeout + 2,
        # For a worker whose loop stands still, as when native code never lets other threads run.
        "timeout": settings.stall_timeout,
        "keepalive": settings.keep_alive,
        "worker_tmp_dir": str(memory_folder()),
        # Ours bounds the head as a whole. 0 means no limit; any other has gunicorn's ceiling of 8,190 bytes.
        "limit_request_line": 0 if settings.server == "nodrop" else min(settings.max_header_bytes, 8190),
        "limit_request_field_size": settings.max_header_bytes,
        # gunicorn would trust the headers of a proxy at 127.0.0.1, which to a pod is any container beside it. Here
        # TRUSTED_PROXIES alone says who is trusted (nodrop/wsgi/edge/proxies.py).
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "forwarder_headers": "",
        "proxy_protocol": "off",
        # X_Forwarded_For would become the same variable as X-Forwarded-For, past a proxy that sets only the one.
        "header_map": "drop",
        # The C parser of gunicorn[fast] accepts two spaces before a target, and gains nothing where nodrop reads most
        # heads itself (docs/request-path.md).
        "http_parser": "python" if settings.server == "nodrop" else "auto",
        # A second way in, that nothing here uses and that a read-only root file system has no place for.
        "control_socket_disable": True,
        "logger_class": "nodrop.logs.gunicorn_logger.Logger",
        "loglevel": settings.log_level,
        "errorlog": "-",
        "accesslog": "-" if settings.access_log else None,
    }


def same_as_ours(settings: ServingSettings) -> dict[str, list[Any]]:
    """Values of gunicorn's settings that mean the same as ours, and that people write."""
    everywhere = {ALL: (ALL_IPV4, "", ALL), ALL_IPV4: (ALL_IPV4, "")}
    hosts = everywhere.get(settings.bind_address, ())
    return {
        "bind": [[shown(host, settings.port)] for host in hosts],
        "graceful_timeout": [settings.graceful_timeout],
        "loglevel": [settings.log_level.upper()],
        "errorlog": ["/dev/stdout", "/dev/stderr"],
        "accesslog": ["/dev/stdout", "/dev/stderr"] if settings.access_log else [],
    }
