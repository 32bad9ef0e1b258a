"""The serving layer's settings, read when gunicorn and its workers start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodrop.config.network_types import TrustedProxies, forwarded_headers, hosts, trusted_proxies, url_prefix
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
from nodrop.server.addresses import all_addresses

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB
KEY_BYTES = 32
"""Bytes of the shortest key that nobody can guess from the signatures that it makes."""
# prometheus_client's own.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_OBJECT = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"  # module:name


@dataclass(frozen=True, kw_only=True)
class ServingSettings(Settings):
    """What the serving layer can be told from outside."""

    wsgi_app: str = setting(
        "WSGI_APP",
        application(),
        default="",
        meaning="The application, or the function to call for it, with arguments that are literals. Not set: what "
        "`FLASK_APP` names, else `app`, `application`, the only Flask object or `create_app()` in wsgi.py or app.py.",
        group="Application",
        common=True,
    )
    port: int = setting(
        "PORT",
        integer(1, 65535),
        default=5000,
        meaning="Where the application is served. In the chart always 5000.",
    )
    management_port: int = setting(
        "MANAGEMENT_PORT",
        integer(1, 65535),
        default=5001,
        meaning="Where health and metrics are served, apart from the application. In the chart always 5001.",
    )
    bind_address: str = setting(
        "BIND_ADDRESS",
        address(),
        default=Computed("`::`, or `0.0.0.0` without IPv6", lambda _: all_addresses()),
        meaning="The address that both ports are bound to. `::` is every address, of IPv4 too; `make run` sets "
        "`127.0.0.1`. A pod needs every address, since the kubelet and the Service reach it from outside.",
    )
    server: str = setting(
        "SERVER",
        choice("nodrop", "gthread"),
        default="nodrop",
        meaning="The worker that serves: nodrop's, or gunicorn's own threads, for "
        "those who will not run another worker (docs/gunicorn-options.md says what differs).",
    )
    workers: int = setting(
        "WEB_CONCURRENCY",
        integer(1, 64),
        default=1,
        meaning="Worker processes. Scale by pods; more than one only where a pod has several cores. gunicorn reads it "
        "too, before nodrop does: an empty one, or a word, ends the server's start with a traceback. Unset it for the "
        "default.",
        group="Capacity",
    )
    threads: int = setting(
        "WEB_THREADS",
        integer(1, 256),
        default=8,
        meaning="Threads in each worker, that is the requests it can have in flight at once.",
        common=True,
    )
    max_requests: int = setting(
        "MAX_REQUESTS",
        integer(0, 10**9),
        default=0,
        meaning="Replace a worker after so many requests, against a leak of memory; the next one serves before it "
        "stops. 0 means never.",
    )
    max_requests_jitter: int = setting(
        "MAX_REQUESTS_JITTER",
        integer(0, 10**9),
        default=0,
        meaning="Each worker adds a random number up to this to `MAX_REQUESTS`, so that not all pods replace theirs at "
        "once.",
    )
    log_query: str = setting(
        "LOG_QUERY",
        choice("off", "harmless", "all"),
        default="harmless",
        meaning="Which values of a URL's query are logged: none; words, numbers and dates of parameters known to be "
        "harmless, such as `page` and `sort`; or all but those whose names look like a secret's.",
    )
    log_query_names: tuple[str, ...] = setting(
        "LOG_QUERY_NAMES",
        names("names of query parameters, separated by commas", "`name,...`", pattern=r"[\w.\-\[\]]{1,100}"),
        default=(),
        meaning="More query parameters whose values are logged, such as `q,category`: only those that never hold a "
        "secret.",
    )
    max_connections: int = setting(
        "MAX_CONNECTIONS",
        integer(10, 65535),
        default=1000,
        meaning="Open connections of a worker; above it the one that has been idle longest is closed. "
        "It must be above `WEB_THREADS`.",
    )
    graceful_timeout: int = setting(
        "GRACEFUL_TIMEOUT",
        seconds(1, 3600),
        default=30,
        meaning="How long a stopping worker has for its requests in flight. "
        "In the chart `shutdown.gracefulTimeoutSeconds`.",
        group="Timeouts",
        common=True,
    )
    keep_alive: int = setting(
        "KEEP_ALIVE",
        seconds(1, 3600),
        default=75,
        meaning="How long an idle connection is kept open for its next request. Set it longer than a proxy in front "
        "keeps its own: else it may send on a connection just closed here.",
    )
    read_timeout: int = setting(
        "READ_TIMEOUT",
        seconds(1, 3600),
        default=20,
        meaning="How long a client has to send a request's head; and its body, plus the time that `MIN_UPLOAD_RATE` "
        "gives it for what it has sent.",
    )
    min_upload_rate: int = setting(
        "MIN_UPLOAD_RATE",
        size(1, GIB),
        default=KIB,
        meaning="Bytes a second that a client has to send of a body on average; a slower one is answered 408.",
    )
    write_timeout: int = setting(
        "WRITE_TIMEOUT",
        seconds(1, 3600),
        default=60,
        meaning="How long a client may go without taking any of its answer.",
    )
    stall_timeout: int = setting(
        "STALL_TIMEOUT",
        seconds(0, 86400),
        default=Computed("4 x GRACEFUL_TIMEOUT", lambda values: 4 * int(values["graceful_timeout"])),
        meaning="How long a request may go without reading or writing anything before the server counts as wedged "
        "and asks to be restarted; 0 means never, any other value must be above `GRACEFUL_TIMEOUT`.",
    )
    max_header_bytes: int = setting(
        "MAX_HEADER_BYTES",
        size(KIB, MIB),
        default=32 * KIB,
        meaning="The largest request line and headers together; larger ones are answered 431.",
        group="Limits",
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES",
        size(0, TIB),
        default=16 * MIB,
        meaning="The largest request body; a larger one is answered 413. At most `BODY_BUFFER_BYTES`.",
        common=True,
    )
    body_buffer_bytes: int = setting(
        "BODY_BUFFER_BYTES",
        size(MIB, TIB),
        default=96 * MIB,
        meaning="What a worker keeps on disk, in all, of bodies that are arriving; and as much of answers that clients "
        "are slow to take. When bodies do not fit, the slowest is answered 503, and one client gets no more than three "
        "quarters; when answers do not, the client furthest behind is cut off.",
    )
    trusted_proxies: TrustedProxies = setting(  # noqa: RUF009 - immutable, which the alias hides
        "TRUSTED_PROXIES",
        trusted_proxies(),
        default=0,
        meaning="The proxies in front whose forwarded headers are trusted: how many there are, or their networks; 0 "
        "trusts none. The right values for each proxy are in [proxies.md](proxies.md).",
        group="Proxies",
        common=True,
    )
    forwarded_headers: tuple[str, ...] = setting(
        "FORWARDED_HEADERS",
        forwarded_headers(),
        default=("for", "proto"),
        meaning="Which headers of the family `X-Forwarded-` are trusted. Name only those that your proxies set or "
        "remove: they pass any other on as the client sent it.",
    )
    url_prefix: str = setting(
        "URL_PREFIX",
        url_prefix(),
        default="",
        alias="SCRIPT_NAME",
        meaning="The path that the application is served under, such as `/shop`; it gets the rest of each path, and "
        "anything else is answered 404. `SCRIPT_NAME` is accepted as another name for it.",
    )
    url_prefix_stripped: bool = setting(
        "URL_PREFIX_STRIPPED",
        boolean(),
        default=False,
        meaning="The proxy strips `URL_PREFIX` from the path. Not needed where it tells so in a trusted "
        "`X-Forwarded-Prefix`.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        hosts(),
        default=(),
        meaning="The hosts that requests may be for, without ports; `.shop.example` includes its subdomains. Any other "
        "is answered 400. Unset allows any.",
    )
    security_headers: bool = setting(
        "SECURITY_HEADERS",
        boolean(),
        default=True,
        meaning="Add the headers that harden browsers where the application has not set them.",
        group="Security",
    )
    hsts_seconds: int = setting(
        "HSTS_SECONDS",
        seconds(0, 10 * 365 * 86400),
        default=0,
        meaning="For how long browsers are to insist on https, told on requests that came by https; 0 tells them "
        "nothing.",
    )
    problem_details: bool = setting(
        "PROBLEM_DETAILS",
        boolean(),
        default=True,
        meaning="Answer errors that the application does not handle with problem details (RFC 9457).",
    )
    startup_path: str = setting(
        "STARTUP_PATH",
        text("a path that begins with / and has printable ASCII only, without spaces", "`/...`", pattern=r"/[!-~]*"),
        default="/",
        meaning="What is requested of the application before it counts as started; any status below 500 will do.",
        group="Health",
    )
    startup_timeout: int = setting(
        "STARTUP_TIMEOUT",
        seconds(1, 3600),
        default=60,
        meaning="How long that first request may take before it is sent again.",
    )
    readiness_checks: tuple[str, ...] = setting(
        "READINESS_CHECKS",
        names("names of the form module:function, separated by commas", "`module:function,...`", pattern=_OBJECT),
        default=(),
        meaning="The application's own checks of whether it can serve.",
    )
    readiness_check_interval: int = setting(
        "READINESS_CHECK_INTERVAL", seconds(1, 3600), default=5, meaning="The time between two runs of the checks."
    )
    readiness_check_timeout: int = setting(
        "READINESS_CHECK_TIMEOUT",
        seconds(1, 600),
        default=2,
        meaning="When a check that has not answered has failed; at most `READINESS_CHECK_INTERVAL`.",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        choice(*LOG_LEVELS),
        default="info",
        meaning="The least severe level that is logged.",
        group="Logs and metrics",
    )
    access_log: bool = setting("ACCESS_LOG", boolean(), default=True, meaning="Log one line a request.")
    log_format: str = setting(
        "LOG_FORMAT",
        choice("auto", "json", "plain"),
        default="auto",
        meaning="One JSON object a line, or plain lines; auto is plain in a terminal, else json.",
    )
    metrics_buckets: tuple[float, ...] = setting(
        "METRICS_BUCKETS",
        rising_numbers(50),
        default=DEFAULT_BUCKETS,
        meaning="Upper bounds of the latency histogram in seconds, separated by commas.",
    )
    hooks: str = setting(
        "HOOKS",
        text("the dotted name of a module, such as shop.hooks", "`module`", pattern=r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"),
        default="",
        meaning="A module of your own with gunicorn's hooks, such as `post_fork`; they run beside nodrop's.",
    )
    secret_key: str = setting(
        "SECRET_KEY",
        key(KEY_BYTES),
        default="",
        secret=True,
        meaning="Signs Flask's session cookies, where the application has not set its own; the same in every pod.",
        group="Secrets",
    )
    secrets_dir: str = setting(
        "SECRETS_DIR",
        text("the absolute path of a folder", "`/...`", pattern=r"/.*"),
        default="",
        meaning="A folder with one file for each variable that is not set otherwise, such as a mounted Secret. "
        "In the chart `secrets.existingSecret`.",
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
