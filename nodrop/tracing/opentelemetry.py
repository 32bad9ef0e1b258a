"""OpenTelemetry: a span for each request, sent to a collector. An extra, and nothing of it is imported when it is off.

Switched on by the standard variables OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; the other
standard ones (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, ...) mean what they mean everywhere.
Names and attributes follow the stable semantic conventions for HTTP. No query is in any of them, nor a secret that
nodrop/logs would mask.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nodrop import current_request
from nodrop.config.sources import SettingsError
from nodrop.logs.masking.credentials import mask_of
from nodrop.logs.masking.fields import safe_text
from nodrop.logs.masking.redaction import redact_end, redact_text
from nodrop.logs.masking.urls import redact_url
from nodrop.wsgi import body
from nodrop.wsgi.request_context import set_trace

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""Methods that are named; any other is `_OTHER`, so that clients can't make up names of spans."""
ATTRIBUTE_LENGTH = 1024
FLUSH_SECONDS = 2.0
WARNING_SECONDS = 60.0

_SWITCHES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_provider: TracerProvider | None = None


def switch(variables: Mapping[str, str] = os.environ) -> str | None:
    """The variable that switches it on, or None."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    return next((name for name in _SWITCHES if variables.get(name, "").strip()), None)


def problems_of(variables: Mapping[str, str] = os.environ) -> list[str]:
    """Why it can't work, if it is switched on, each with what to do about it."""
    name = switch(variables)
    if not name:
        return []
    problems = []
    if not variables[name].startswith(("http://", "https://")):
        problems.append(f"{name}={variables[name]!r} can't be accepted: set it to a URL, such as http://collector:4318")
    for protocol in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if value := variables.get(protocol, "").strip():
            if value != "http/protobuf":
                problems.append(f"{protocol}={value!r} can't be accepted: set it to http/protobuf, or leave it unset")
            break
    if not _is_installed():
        problems.append(
            f"{name} is set, but OpenTelemetry is not installed: run pip install 'nodrop[otel]', or unset it"
        )
    return problems


def _is_installed() -> bool:
    try:
        return all(
            importlib.util.find_spec(name) is not None
            for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
        )
    except ModuleNotFoundError:
        return False


def instrument(application: WSGIApplication) -> WSGIApplication:
    """The application with a span for each request, or as it is when tracing is off. In each worker, after the fork.

    An application that has set up OpenTelemetry by itself keeps its own provider, which then gets these spans.
    """
    if switch() is None:
        return application
    if problems := problems_of():
        raise SettingsError(problems)
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        _start()
    return TracingMiddleware(application)


def _start() -> None:
    """Set up the SDK and its exporter."""
    global _provider  # noqa: PLW0603
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_SeldomHandler()]
    logger.propagate = False

    class IdGenerator(RandomIdGenerator):
        """Ids from the system, because the application may seed `random` the same in every process."""

        def generate_span_id(self) -> int:
            return int.from_bytes(os.urandom(8)) or 1

        def generate_trace_id(self) -> int:
            return int.from_bytes(os.urandom(16)) or 1

    # Ended by flush(), with a limit, rather than at exit, without one.
    _provider = TracerProvider(shutdown_on_exit=False, id_generator=IdGenerator())
    # It sends from a thread of its own, and drops spans when 2048 wait: requests never wait for a collector.
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)


def flush() -> None:
    """Send what has not been sent yet, when a worker ends; waits at most FLUSH_SECONDS."""
    if _provider:
        # A thread, because what the SDK waits for on its own may take half a minute.
        sender = threading.Thread(target=_provider.shutdown, name="flush-spans", daemon=True)
        sender.start()
        sender.join(FLUSH_SECONDS)


class _SeldomHandler(logging.Handler):
    """Lets one record of the SDK through in WARNING_SECONDS: without its collector, it complains about every batch."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0
        self._held_back = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record to the root logger, or count it. Called with the handler's lock held."""
        now = time.monotonic()
        if now < self._next:
            self._held_back += 1
            return
        self._next = now + WARNING_SECONDS
        if self._held_back:
            record.held_back = self._held_back
            self._held_back = 0
        logging.getLogger().handle(record)


class TracingMiddleware:
    """Starts a span for each request, in the caller's trace if there is one, and ends it when the answer is closed."""

    def __init__(self, application: WSGIApplication) -> None:
        from opentelemetry import context as otel_context
        from opentelemetry import propagate, trace

        self._application = application
        self._context, self._propagate, self._trace = otel_context, propagate, trace
        self._tracer = trace.get_tracer("nodrop")
        self._getter = _environ_getter()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application with the request's span as the current one."""
        request = current_request.current()
        if request and request.caller:
            # In its place is what the application is to pass on.
            environ["HTTP_TRACEPARENT"] = str(request.caller)
        parent = self._propagate.extract(environ, getter=self._getter)
        method, attributes = _attributes_at_start(environ)
        span = self._tracer.start_span(method, parent, self._trace.SpanKind.SERVER, attributes)
        if request and span.get_span_context().is_valid:
            _take_over(environ, request, span)
        token = self._context.attach(self._trace.set_span_in_context(span, parent))

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            self._note_status(span, int(status[:3]))
            if span.is_recording():
                # Only now it is known, and only until Flask takes its request away, which part of it is a token.
                span.set_attribute("url.path", redact_url(mask_of(environ, _path(environ))))
            return start_response(status, headers, *exc_info)

        ending = _Ending(lambda error: self._end(span, method, environ, error), lambda: self._context.detach(token))
        return body.call(self._application, environ, start, ending, ends_only=True)

    def _note_status(self, span: Span, status: int) -> None:
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(self._trace.StatusCode.ERROR)

    def _end(self, span: Span, method: str, environ: WSGIEnvironment, error: BaseException | None) -> None:
        if span.is_recording():
            # Known only now: a trusted proxy's headers may have been read meanwhile.
            if client := environ.get("REMOTE_ADDR"):
                span.set_attribute("client.address", client)
            if route := environ.get("nodrop.route"):
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            if body.is_taken_over(environ.get("gunicorn.socket")):
                span.set_attribute("http.response.status_code", 101)
            if error is not None:
                # In place of what the SDK would take from the error, which may have a connection string in it.
                span.record_exception(
                    error,
                    {
                        "exception.message": redact_text(safe_text(error)),
                        "exception.stacktrace": redact_end("".join(traceback.format_exception(error))),
                    },
                )
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(self._trace.StatusCode.ERROR)
        span.end()


class _Ending(body.Watcher):
    """Ends the span with the answer."""

    def __init__(self, end: Callable[[BaseException | None], None], detach: Callable[[], None]) -> None:
        self._end = end
        self._detach = detach
        self._error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        self._error = error

    def closed(self) -> None:
        try:
            self._end(self._error)
        finally:
            self._detach()


def _take_over(environ: WSGIEnvironment, request: current_request.RequestContext, span: Span) -> None:
    """Let logs, application and the services it calls have the span's ids."""
    ids = span.get_span_context()
    request.trace_id, request.span_id = f"{ids.trace_id:032x}", f"{ids.span_id:016x}"
    set_trace(environ, request, ids.trace_flags, pass_on=True)
    if ids.trace_state:
        environ["HTTP_TRACESTATE"] = ids.trace_state.to_header()


def _attributes_at_start(environ: WSGIEnvironment) -> tuple[str, dict[str, str]]:
    """The span's name until a route is known, and what a sampler may look at."""
    method = environ["REQUEST_METHOD"]
    attributes = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "url.path": redact_url(mask_of(environ, _path(environ))),
        "url.scheme": environ.get("wsgi.url_scheme", "http"),
        "network.protocol.version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
    }
    if user_agent := environ.get("HTTP_USER_AGENT"):
        attributes["user_agent.original"] = redact_text(user_agent)[:ATTRIBUTE_LENGTH]
    if method not in METHODS:
        attributes["http.request.method_original"] = method[:ATTRIBUTE_LENGTH]
    # "HTTP" in names, as the conventions ask for.
    return (method if method in METHODS else "HTTP"), attributes


def _path(environ: WSGIEnvironment) -> str:
    # WSGI hands bytes over as Latin-1; what is no UTF-8 could not be sent.
    path: bytes = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")
    return path[:ATTRIBUTE_LENGTH].decode("utf-8", "replace")


def _environ_getter() -> Any:
    """Reads headers from a WSGI environment, for the SDK's propagators."""
    from opentelemetry.propagators.textmap import Getter

    class EnvironGetter(Getter[dict[str, Any]]):
        def get(self, carrier: dict[str, Any], key: str) -> list[str] | None:
            value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
            return None if value is None else [value]

        def keys(self, carrier: dict[str, Any]) -> list[str]:
            return [name[5:].lower().replace("_", "-") for name in carrier if name.startswith("HTTP_")]

    return EnvironGetter()
