"""The serving layer's settings, read when gunicorn and its workers start.

Longer than other modules, since it is one table: the documentation and `nodrop check` are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodrop.config.network_types import TrustedProxies, forwarded_headers, hosts, trusted_proxies, url_prefix
from nodrop.config.references import FUNCTION
from nodrop.config.schema import Computed, Settings, setting
from nodrop.config.types import (
    address,
    application,
    boolean,
    choice,
    integer,
    key,
    names,
    rising_numbers,
    seconds,
    show_size,
    size,
    text,
)
from nodrop.system.addresses import all_addresses

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB
KEY_BYTES = 32
"""Bytes of the shortest key that nobody can guess from the signatures that it makes."""
# prometheus_client's own.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class ServingSettings(Settings):
    """What the serving layer can be told from outside."""

    wsgi_app: str = setting(
        "WSGI_APP",
        application(),
        group="Application",
        default="",
        meaning="The application, or a factory that returns it; its arguments are literals. If unset, it is what "
        "`FLASK_APP` names. Without that, it is `app`, `application`, the only Flask object or `create_app()` "
        "in wsgi.py or app.py.",
        common=True,
    )
    problem_details: bool = setting(
        "PROBLEM_DETAILS",
        boolean(),
        group="Application",
        default=True,
        meaning="Answer errors that the application does not handle with problem details (RFC 9457).",
    )
    hooks: str = setting(
        "HOOKS",
        text("the dotted name of a module, such as shop.hooks", "`module`", pattern=r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"),
        group="Application",
        default="",
        meaning="A module of your own with gunicorn's hooks, such as `post_fork`. They run beside nodrop's.",
    )
    server: str = setting(
        "SERVER",
        choice("nodrop", "gthread"),
        group="Server",
        default="nodrop",
        meaning="The worker class: `nodrop`, or `gthread` for gunicorn's own threaded worker. "
        "[Differences](gunicorn-options.md#gunicorns-own-threads).",
    )
    port: int = setting(
        "PORT",
        integer(1, 65535),
        group="Server",
        default=5000,
        meaning="The port of the application. In the chart it is always 5000.",
    )
    management_port: int = setting(
        "MANAGEMENT_PORT",
        integer(1, 65535),
        group="Server",
        default=5001,
        meaning="The port of the health probes and metrics. In the chart it is always 5001.",
    )
    bind_address: str = setting(
        "BIND_ADDRESS",
        address(),
        group="Server",
        default=Computed("`::`, or `0.0.0.0` without IPv6", lambda _: all_addresses()),
        meaning="The address of both ports. `::` is every address, IPv4 included. A pod needs every address, since "
        "the kubelet and the Service connect from outside. On your own machine, set `127.0.0.1`.",
    )
    workers: int = setting(
        "WEB_CONCURRENCY",
        integer(1, 64),
        group="Capacity",
        default=1,
        meaning="Worker processes. Scale by pods, and raise it only if a pod has several cores. gunicorn reads it too, "
        "before nodrop does: if it is empty or a word, the start ends with gunicorn's own traceback.",
    )
    threads: int = setting(
        "WEB_THREADS",
        integer(1, 256),
        group="Capacity",
        default=8,
        meaning="Threads of each worker: the number of requests that it runs at once.",
        common=True,
    )
    max_streams: int = setting(
        "MAX_STREAMS",
        integer(0, 4096),
        group="Capacity",
        default=400,
        meaning="How many event streams, WebSockets and other long answers each worker runs in addition to "
        "`WEB_THREADS`, so that they hold up no other request.",
    )
    max_requests: int = setting(
        "MAX_REQUESTS",
        integer(0, 10**9),
        group="Capacity",
        default=0,
        meaning="Replace a worker after this many requests, to bound a memory leak. The replacement serves before the "
        "old worker stops. 0 disables it.",
    )
    max_requests_jitter: int = setting(
        "MAX_REQUESTS_JITTER",
        integer(0, 10**9),
        group="Capacity",
        default=0,
        meaning="Each worker adds a random number up to this to `MAX_REQUESTS`, so that pods do not replace their "
        "workers at the same time.",
    )
    graceful_timeout: int = setting(
        "GRACEFUL_TIMEOUT",
        seconds(1, 3600),
        group="Timeouts",
        default=30,
        meaning="Time limit for in-flight requests after SIGTERM. In the chart, set `shutdown.gracefulTimeoutSeconds`.",
        common=True,
    )
    queue_timeout: int = setting(
        "QUEUE_TIMEOUT",
        seconds(0, 3600),
        group="Timeouts",
        default=15,
        meaning="Time limit for a request to wait for a thread. A request that has waited longer is answered 503 with "
        "`Retry-After`. 0 disables the limit.",
    )
    keep_alive: int = setting(
        "KEEP_ALIVE",
        seconds(1, 3600),
        group="Timeouts",
        default=75,
        meaning="Time after which an idle connection is closed. Set it above the proxy's idle timeout, or the proxy "
        "may reuse a connection that has just been closed.",
    )
    read_timeout: int = setting(
        "READ_TIMEOUT",
        seconds(1, 3600),
        group="Timeouts",
        default=20,
        meaning="Time limit for the request head. For the body it is extended by one second for every "
        "`MIN_UPLOAD_RATE` bytes received. A late request is answered 408.",
    )
    write_timeout: int = setting(
        "WRITE_TIMEOUT",
        seconds(1, 3600),
        group="Timeouts",
        default=60,
        meaning="Time after which a client that accepts no part of its answer is disconnected.",
    )
    stall_timeout: int = setting(
        "STALL_TIMEOUT",
        seconds(0, 86400),
        group="Timeouts",
        default=Computed("4 x GRACEFUL_TIMEOUT", lambda values: 4 * int(values["graceful_timeout"])),
        meaning="Time without any reads or writes after which a request counts as stalled and is logged. The liveness "
        "probe fails if all threads are stalled and requests wait. Set it above `GRACEFUL_TIMEOUT`; 0 disables it.",
    )
    max_connections: int = setting(
        "MAX_CONNECTIONS",
        integer(10, 65535),
        group="Limits",
        default=1000,
        meaning="Open connections of each worker. Above it, the connection that has been idle longest is closed. Set "
        "it above `WEB_THREADS`.",
    )
    max_header_bytes: int = setting(
        "MAX_HEADER_BYTES",
        size(KIB, MIB),
        group="Limits",
        default=32 * KIB,
        meaning="Size limit for the request line and headers together. A larger head is answered 431.",
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES",
        size(0, TIB),
        group="Limits",
        default=16 * MIB,
        meaning="Size limit for a request body. A larger body is answered 413. At most `BODY_BUFFER_BYTES`.",
        common=True,
    )
    body_buffer_bytes: int = setting(
        "BODY_BUFFER_BYTES",
        size(MIB, TIB),
        group="Limits",
        default=96 * MIB,
        meaning="Disk space of each worker for request bodies that are arriving, and as much again for answers that "
        "wait for slow clients. One client gets at most three quarters. If bodies exceed it, the slowest "
        "upload is answered 503. If answers exceed it, the client furthest behind is disconnected.",
    )
    min_upload_rate: int = setting(
        "MIN_UPLOAD_RATE",
        size(1, GIB),
        group="Limits",
        default=KIB,
        meaning="Bytes of a body that a client must send per second, on average. A slower client is answered 408.",
    )
    trusted_proxies: TrustedProxies = setting(  # noqa: RUF009 - immutable, which the alias hides
        "TRUSTED_PROXIES",
        trusted_proxies(),
        group="Proxies",
        default=0,
        meaning="The proxies whose forwarded headers are trusted: their number, or their networks. 0 trusts none. "
        "[proxies.md](proxies.md) has the value for each proxy.",
        common=True,
    )
    forwarded_headers: tuple[str, ...] = setting(
        "FORWARDED_HEADERS",
        forwarded_headers(),
        group="Proxies",
        default=("for", "proto"),
        meaning="The `X-Forwarded-` headers that are trusted. Name only those that your proxies set or remove: they "
        "pass on any other as the client sent it.",
    )
    url_prefix: str = setting(
        "URL_PREFIX",
        url_prefix(),
        group="Proxies",
        default="",
        alias="SCRIPT_NAME",
        meaning="The path that the application is served under, such as `/shop`. The application gets the rest of "
        "each path. A request outside of it is answered 404. `SCRIPT_NAME` is accepted as another name.",
    )
    url_prefix_stripped: bool = setting(
        "URL_PREFIX_STRIPPED",
        boolean(),
        group="Proxies",
        default=False,
        meaning="The proxy strips `URL_PREFIX` from the path. Not needed if it sends a trusted `X-Forwarded-Prefix`.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        hosts(),
        group="Proxies",
        default=(),
        meaning="The hosts that are served, without ports; `.shop.example` includes its subdomains. A request for "
        "another host is answered 400. If unset, every host is served.",
    )
    security_headers: bool = setting(
        "SECURITY_HEADERS",
        boolean(),
        group="Security",
        default=True,
        meaning="Add security headers that the application does not set.",
    )
    hsts_seconds: int = setting(
        "HSTS_SECONDS",
        seconds(0, 10 * 365 * 86400),
        group="Security",
        default=0,
        meaning="max-age of `Strict-Transport-Security`, sent on https only. 0 leaves the header out.",
    )
    startup_path: str = setting(
        "STARTUP_PATH",
        text("a path that begins with / and has printable ASCII only, without spaces", "`/...`", pattern=r"/[!-~]*"),
        group="Health",
        default="/",
        meaning="The path of the request that must succeed before the server counts as started. Any status below 500 "
        "is a success.",
    )
    startup_timeout: int = setting(
        "STARTUP_TIMEOUT",
        seconds(1, 3600),
        group="Health",
        default=60,
        meaning="Time limit for that request, after which it is sent again.",
    )
    readiness_checks: tuple[str, ...] = setting(
        "READINESS_CHECKS",
        names("names of the form module:function, separated by commas", "`module:function,...`", pattern=FUNCTION),
        group="Health",
        default=(),
        meaning="Functions of the application that check whether it can serve. A check fails if it raises an "
        "exception or returns `False`.",
    )
    readiness_check_interval: int = setting(
        "READINESS_CHECK_INTERVAL",
        seconds(1, 3600),
        group="Health",
        default=5,
        meaning="Time between two runs of the checks.",
    )
    readiness_check_timeout: int = setting(
        "READINESS_CHECK_TIMEOUT",
        seconds(1, 600),
        group="Health",
        default=2,
        meaning="Time after which a check that has not returned counts as failed. At most `READINESS_CHECK_INTERVAL`.",
    )
    peer_service: str = setting(
        "PEER_SERVICE",
        text("the name of a headless Service, such as shop-peers", "`name`", pattern=r"[A-Za-z0-9]([A-Za-z0-9.-]*)"),
        group="Health",
        default="",
        meaning="A headless Service with the pods that are ready. A pod whose queue is stuck then leaves only "
        "while others stay. The chart sets it.",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        choice(*LOG_LEVELS),
        group="Logs and metrics",
        default="info",
        meaning="The lowest level that is logged.",
    )
    log_format: str = setting(
        "LOG_FORMAT",
        choice("auto", "json", "plain"),
        group="Logs and metrics",
        default="auto",
        meaning="`json` writes one JSON object a line, `plain` a line for people. `auto` is plain in a terminal, json "
        "elsewhere.",
    )
    access_log: bool = setting(
        "ACCESS_LOG",
        boolean(),
        group="Logs and metrics",
        default=True,
        meaning="Log one line for each request.",
    )
    log_query: str = setting(
        "LOG_QUERY",
        choice("off", "harmless", "all"),
        group="Logs and metrics",
        default="harmless",
        meaning="The values of a URL's query that are logged. `off` logs no query. `harmless` logs words, numbers and "
        "dates of parameters such as `page` and `sort`. `all` logs every value except secrets that are "
        "recognized. [Details](logs.md#the-query-of-a-url).",
    )
    log_query_names: tuple[str, ...] = setting(
        "LOG_QUERY_NAMES",
        names("names of query parameters, separated by commas", "`name,...`", pattern=r"[\w.\-\[\]]{1,100}"),
        group="Logs and metrics",
        default=(),
        meaning="More query parameters whose values are logged, such as `q,category`. Name only those that never hold "
        "a secret.",
    )
    metrics_buckets: tuple[float, ...] = setting(
        "METRICS_BUCKETS",
        rising_numbers(50),
        group="Logs and metrics",
        default=DEFAULT_BUCKETS,
        meaning="Upper bounds of the latency histogram in seconds, separated by commas.",
    )
    secret_key: str = setting(
        "SECRET_KEY",
        key(KEY_BYTES),
        group="Secrets",
        default="",
        secret=True,
        meaning="Signs Flask's session cookies if the application has not set its own key. Use the same key in every "
        "pod.",
    )
    secrets_dir: str = setting(
        "SECRETS_DIR",
        text("the absolute path of a folder", "`/...`", pattern=r"/.*"),
        group="Secrets",
        default="",
        meaning="A folder, such as a mounted Secret, with one file for each variable. A variable that is set takes "
        "precedence. In the chart, set `secrets.existingSecret`.",
    )

    def contradictions(self) -> Iterator[tuple[set[str], str]]:
        if self.port == self.management_port:
            yield (
                {"PORT", "MANAGEMENT_PORT"},
                f"MANAGEMENT_PORT={self.port} is PORT too: set them to two different ports",
            )
        if self.max_connections <= self.threads:
            yield (
                {"MAX_CONNECTIONS", "WEB_THREADS"},
                f"MAX_CONNECTIONS={self.max_connections} leaves threads without work: "
                f"set it above WEB_THREADS={self.threads}",
            )
        if self.max_body_bytes > self.body_buffer_bytes:
            largest, buffer = show_size(self.max_body_bytes), show_size(self.body_buffer_bytes)
            yield (
                {"MAX_BODY_BYTES", "BODY_BUFFER_BYTES"},
                f"MAX_BODY_BYTES={largest} could never be kept: set it to BODY_BUFFER_BYTES={buffer} or less, "
                f"or BODY_BUFFER_BYTES to {largest} or more",
            )
        if 0 < self.stall_timeout <= self.graceful_timeout:
            yield (
                {"STALL_TIMEOUT", "GRACEFUL_TIMEOUT"},
                f"STALL_TIMEOUT={self.stall_timeout} would restart the server over requests that may still finish: "
                f"set it above GRACEFUL_TIMEOUT={self.graceful_timeout}, or to 0 for never",
            )
        if self.readiness_check_timeout > self.readiness_check_interval:
            yield (
                {"READINESS_CHECK_TIMEOUT", "READINESS_CHECK_INTERVAL"},
                f"READINESS_CHECK_TIMEOUT={self.readiness_check_timeout} outlasts the time between two runs: "
                f"set it to READINESS_CHECK_INTERVAL={self.readiness_check_interval} or less",
            )
