"""Every option of gunicorn, and what becomes of it here: it is honoured, or one of our settings stands in its place,
or it is refused with the reason.

The one table that the server, `nodrop check` and the page docs/gunicorn-options.md go by. Names are those of a
gunicorn configuration file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gunicorn.config import make_settings
from gunicorn.util import parse_address


@dataclass(frozen=True)
class Option:
    """What becomes of an option."""

    honoured: bool
    setting: str
    """The settings of ours that stand in its place, as `A` or `A and B`; empty if there is none."""
    note: str
    """More about it, as the end of a sentence; may be empty where there is a setting."""
    same_value: bool = False
    """The setting takes the very value of the option."""

    def remedy(self, value: Any) -> str:
        """What to do instead of giving the option this value, or that the value can't be given."""
        note = f" ({self.note})" if self.note else ""
        if not self.setting:
            return f"leave it out; {self.note}"
        if self.same_value:
            return f"set {self.setting}={value}{note}"
        return f"set {self.setting}{note}"


class Bind(Option):
    """The option --bind, whose value is taken apart."""

    def remedy(self, value: Any) -> str:
        """The two settings with their values, for one TCP address."""
        binds = value if isinstance(value, list) else [value]
        try:
            address = parse_address(str(binds[0]))
        except RuntimeError:
            address = ""
        if len(binds) > 1 or not isinstance(address, tuple):
            return "the kubelet and the Service need one TCP address: set BIND_ADDRESS and PORT"
        host, port = address
        return f"set {f'BIND_ADDRESS={host} and ' if host else ''}PORT={port}"


def _honoured(**notes: str) -> dict[str, Option]:
    return {name: Option(True, "", note) for name, note in notes.items()}


def _ours(*names: str, setting: str, note: str = "", same_value: bool = False) -> dict[str, Option]:
    return {name: Option(False, setting, note, same_value) for name in names}


def _refused(*names: str, note: str) -> dict[str, Option]:
    return {name: Option(False, "", note) for name in names}


_PROXIES = "forwarded headers are ignored unless it names the trusted proxies"
_OPTIONS = {
    **_honoured(
        config="your configuration file must begin with `from nodrop.gunicorn import *`",
        wsgi_app="takes precedence over WSGI_APP, as does a name on the command line",
        max_requests="takes precedence over MAX_REQUESTS",
        max_requests_jitter="takes precedence over MAX_REQUESTS_JITTER",
        backlog="as in gunicorn, 2048 by default; the kernel's net.core.somaxconn bounds it",
        limit_request_fields="as in gunicorn; MAX_HEADER_BYTES bounds their sum",
        chdir="as in gunicorn",
        pythonpath="as in gunicorn",
        raw_env="as in gunicorn, for the application's own variables",
        pidfile="as in gunicorn",
        proc_name="as in gunicorn",
        default_proc_name="as in gunicorn",
        capture_output="has nothing to do: what the application prints is in standard output already",
    ),
    "bind": Bind(False, "BIND_ADDRESS and PORT", "one TCP address"),
    **_ours("workers", setting="WEB_CONCURRENCY", same_value=True),
    **_ours("threads", setting="WEB_THREADS", same_value=True),
    **_ours("worker_connections", setting="MAX_CONNECTIONS", same_value=True),
    **_ours("graceful_timeout", setting="GRACEFUL_TIMEOUT", same_value=True),
    **_ours("keepalive", setting="KEEP_ALIVE", same_value=True),
    **_ours("loglevel", setting="LOG_LEVEL", same_value=True),
    **_ours("worker_class", setting="SERVER", note="nodrop, or gthread for gunicorn's own threads"),
    **_ours("timeout", setting="STALL_TIMEOUT", note="for how long a request may make no progress"),
    **_ours("limit_request_line", "limit_request_field_size", setting="MAX_HEADER_BYTES"),
    **_ours(
        "forwarded_allow_ips", "secure_scheme_headers", "forwarder_headers", "proxy_protocol", "proxy_allow_ips",
        setting="TRUSTED_PROXIES", note=_PROXIES,
    ),
    **_ours("accesslog", "disable_redirect_access_to_syslog", setting="ACCESS_LOG", note="logs are standard output"),
    **_ours("access_log_format", setting="LOG_FORMAT", note="json or plain; the fields are always the same"),
    **_ours("tmp_upload_dir", setting="TMPDIR", note="Python's own variable"),
    **_ours(
        "on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "child_exit",
        "worker_exit", "nworkers_changed", "on_exit", "worker_int", "worker_abort", "pre_request", "post_request",
        setting="HOOKS", note="a module of your own with functions of these names, which run beside nodrop's",
    ),
    **_refused(
        "statsd_host", "dogstatsd_tags", "statsd_prefix", "enable_backlog_metric",
        note="Prometheus collects the metrics, from /metrics at MANAGEMENT_PORT",
    ),
    **_refused("reload", "reload_engine", "reload_extra_files", note="`nodrop dev` reloads, for development"),
    **_refused("spew", note="it would print every line that is run"),
    **_refused("check_config", "print_config", note="`nodrop check` prints the settings, and with --app loads it too"),
    **_refused("preload_app", note="each worker loads the application, so that connections are not shared by a fork"),
    **_refused("sendfile", note="files are sent by the kernel where that can be done"),
    **_refused("reuse_port", note="the workers share one listening socket, which loses no connection"),
    **_refused(
        "daemon", "enable_stdio_inheritance", "umask", note="the server stays in the foreground, as a container needs"
    ),
    **_refused(
        "user", "group", "initgroups",
        note="start the server as the user that it is to run as (USER in the Dockerfile, runAsUser in the pod)",
    ),
    **_refused("worker_tmp_dir", note="heartbeats are kept in /dev/shm, or in TMPDIR where that can't be written to"),
    **_refused("errorlog", "logger_class", note="every line goes to standard output"),
    **_refused(
        "logconfig", "logconfig_dict", "logconfig_json",
        note="the application's own loggers are for its own code to configure, with logging.config.dictConfig",
    ),
    **_refused(
        "syslog", "syslog_addr", "syslog_prefix", "syslog_facility",
        note="every line goes to standard output, where Kubernetes collects it",
    ),
    **_refused("paste", "raw_paste_global_conf", note="WSGI_APP names the application"),
    **_refused(
        "keyfile", "certfile", "ssl_version", "cert_reqs", "ca_certs", "suppress_ragged_eofs",
        "do_handshake_on_connect", "ciphers", "ssl_context",
        note="terminate TLS at the proxy in front (Ingress, Gateway, load balancer) and set TRUSTED_PROXIES",
    ),
    **_refused(
        "http_protocols", "http2_cleartext", "http2_max_concurrent_streams", "http2_initial_window_size",
        "http2_max_frame_size", "http2_max_header_list_size", note="HTTP/2 is for the proxy in front",
    ),
    **_refused("protocol", "uwsgi_allow_ips", note="only HTTP is served"),
    **_refused(
        "permit_obsolete_folding", "strip_header_spaces", "permit_unconventional_http_method",
        "permit_unconventional_http_version", "casefold_http_method", "header_map", "http_parser",
        note="requests are parsed strictly, so that a proxy in front and this server never disagree",
    ),
    **_refused(
        "asgi_loop", "asgi_lifespan", "asgi_disconnect_grace_period", "websocket_max_message_size", "root_path",
        note="it is for ASGI applications, and this serves WSGI",
    ),
    **_refused(
        "dirty_apps", "dirty_workers", "dirty_timeout", "dirty_threads", "dirty_graceful_timeout", "on_dirty_starting",
        "dirty_post_fork", "dirty_worker_init", "dirty_worker_exit",
        note="long work is for a queue and workers of its own",
    ),
    **_refused("pre_exec", note="an upgrade in place (SIGUSR2) is not supported"),
    **_refused(
        "control_socket", "control_socket_mode", "control_socket_disable", note="there is no control socket"
    ),
}  # fmt: skip
_UNKNOWN = Option(False, "", "this version of nodrop does not know it")


def option(name: str) -> Option:
    """What becomes of the option; one that gunicorn has and the table has not is refused."""
    return _OPTIONS.get(name, _UNKNOWN)


def named() -> set[str]:
    """The options that the table names."""
    return set(_OPTIONS)


def spelling(name: str) -> str:
    """The option as it is written on a command line, or in a configuration file if it can only be there."""
    cli = getattr(make_settings().get(name), "cli", None)
    return str(cli[-1]) if cli else name
