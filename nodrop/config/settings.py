"""The serving layer's settings, read when gunicorn and its workers start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodrop.config.schema import Computed, Settings, setting
from nodrop.config.types import boolean, choice, integer, names, rising_numbers, seconds, show_size, size, text

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB
# prometheus_client's own.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_OBJECT = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"  # module:name


@dataclass(frozen=True, kw_only=True)
class ServingSettings(Settings):
    """What the serving layer can be told from outside."""

    wsgi_app: str = setting(
        "WSGI_APP",
        text(
            "module:name or module:factory(), such as app:create_app()",
            "`module:name` or `module:factory()`",
            pattern=rf"{_OBJECT}(?:\.[A-Za-z_]\w*)*(?:\(\))?",
        ),
        default="app:create_app()",
        meaning="The application, or the function to call for it.",
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
    workers: int = setting(
        "WEB_CONCURRENCY",
        integer(1, 64),
        default=1,
        meaning="Worker processes. Scale by pods; more than one only where a pod has several cores.",
    )
    threads: int = setting(
        "WEB_THREADS",
        integer(1, 256),
        default=8,
        meaning="Threads in each worker, that is the requests it can have in hand at once.",
    )
    graceful_timeout: int = setting(
        "GRACEFUL_TIMEOUT",
        seconds(1, 3600),
        default=30,
        meaning="How long a stopping worker has for the requests it has in hand. "
        "In the chart `shutdown.gracefulTimeoutSeconds`.",
    )
    keep_alive: int = setting(
        "KEEP_ALIVE",
        seconds(1, 3600),
        default=75,
        meaning="How long an idle connection is kept open for its next request. Set it longer than a proxy in front "
        "keeps its own: else it may send on a connection just closed here.",
    )
    log_level: str = setting(
        "LOG_LEVEL", choice(*LOG_LEVELS), default="info", meaning="The least severe level that is logged."
    )
    access_log: bool = setting("ACCESS_LOG", boolean(), default=True, meaning="Log one line a request.")
    log_format: str = setting(
        "LOG_FORMAT",
        choice("auto", "json", "plain"),
        default="auto",
        meaning="One JSON object a line, or plain lines; auto is plain in a terminal, else json.",
    )
    max_connections: int = setting(
        "MAX_CONNECTIONS",
        integer(10, 65535),
        default=1000,
        meaning="Open connections of a worker; above it the one that has been idle longest is closed. "
        "It must be above `WEB_THREADS`.",
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
    max_header_bytes: int = setting(
        "MAX_HEADER_BYTES",
        size(KIB, MIB),
        default=32 * KIB,
        meaning="The largest request line and headers together; larger ones are answered 431.",
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES",
        size(0, TIB),
        default=16 * MIB,
        meaning="The largest request body; a larger one is answered 413. At most `BODY_BUFFER_BYTES`.",
    )
    body_buffer_bytes: int = setting(
        "BODY_BUFFER_BYTES",
        size(MIB, TIB),
        default=96 * MIB,
        meaning="What a worker keeps on disk, in all, of bodies that are arriving; and as much of answers that clients "
        "are slow to take. When bodies do not fit, the slowest is answered 503, and one client gets no more than three "
        "quarters; when answers do not, the client furthest behind is cut off.",
    )
    stall_timeout: int = setting(
        "STALL_TIMEOUT",
        seconds(0, 86400),
        default=Computed("4 x GRACEFUL_TIMEOUT", lambda values: 4 * int(values["graceful_timeout"])),
        meaning="How long a request may go without reading or writing anything before the server counts as wedged "
        "and asks to be restarted; 0 means never, any other value must be above `GRACEFUL_TIMEOUT`.",
    )
    startup_path: str = setting(
        "STARTUP_PATH",
        text("a path that begins with / and has printable ASCII only, without spaces", "`/...`", pattern=r"/[!-~]*"),
        default="/",
        meaning="What is requested of the application before it counts as started; any status below 500 will do.",
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
    trusted_proxies: int = setting(
        "TRUSTED_PROXIES",
        integer(0, 10),
        default=0,
        meaning="How many proxies in front set `X-Forwarded-For`, `-Proto` and `-Host`; 0 believes none.",
    )
    security_headers: bool = setting(
        "SECURITY_HEADERS",
        boolean(),
        default=True,
        meaning="Add the headers that harden browsers where the application has not set them.",
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
    metrics_buckets: tuple[float, ...] = setting(
        "METRICS_BUCKETS",
        rising_numbers(50),
        default=DEFAULT_BUCKETS,
        meaning="Upper bounds of the latency histogram in seconds, separated by commas.",
    )
    secret_key: str = setting(
        "SECRET_KEY",
        text(),
        default="",
        secret=True,
        meaning="Signs Flask's session cookies, where the application has not set its own; the same in every pod.",
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
