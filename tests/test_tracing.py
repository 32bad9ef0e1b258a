"""OpenTelemetry: spans reach a collector, one that is not there harms nothing, and off it costs nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from nodrop.config.sources import SettingsError
from nodrop.tracing import opentelemetry as tracing
from tests.log_lines import find
from tests.raw import exchange
from tests.serving_process import ROOT, Server, own_application, serving, until
from tests.test_server import start

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """Stands in for a collector: takes OTLP over HTTP and keeps the spans."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []

    @property
    def endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def span(self, name: str) -> Span:
        """The span of this name, which may still be on its way."""
        until(f"the span {name}", lambda: any(span.name == name for span in self.spans))
        return next(span for span in self.spans if span.name == name)


class CollectorHandler(BaseHTTPRequestHandler):
    """One export."""

    server: Collector

    def do_POST(self) -> None:
        exported = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        for resource_spans in exported.resource_spans:
            self.server.resources.append(attributes(resource_spans.resource))
            for scope_spans in resource_spans.scope_spans:
                self.server.spans.extend(scope_spans.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span, a resource or an event."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that runs."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Collector]]:
    """A server that sends its spans to a collector without delay."""
    with collecting() as collector, serving(
        tmp_path_factory.mktemp("traced"), WSGI_APP="tests.talkative:app",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_BSP_SCHEDULE_DELAY="50",
        OTEL_SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="delivery.deployment.environment.name=test",
    ) as server:  # fmt: skip
        yield server, collector


# --- Spans ----------------------------------------------------------------------------------------------------------


def test_a_request_is_a_span_with_the_conventions_attributes(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    server.get("/users/ada?token=s3cret", headers={"User-Agent": "test"})
    span = collector.span("GET /users/<name>")
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/users/<name>",
        "http.response.status_code": 200,
        "url.path": "/users/ada",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "test",
    }
    assert "s3cret" not in str(span)
    assert collector.resources[0]["service.name"] == "shop"
    assert collector.resources[0]["delivery.deployment.environment.name"] == "test"


def test_it_is_the_callers_child_and_the_parent_of_the_applications_spans(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    server.get("/traced", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=value"})
    child, span = collector.span("lookup"), collector.span("GET /traced")
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "vendor=value")
    assert (child.trace_id, child.parent_span_id) == (span.trace_id, span.span_id)
    for line in (
        find(server, lambda entry: entry["message"] == "in a span"),
        find(server, lambda entry: entry.get("url") == "/traced"),
    ):
        assert (line["trace_id"], line["span_id"]) == (TRACE, span.span_id.hex())


def test_what_is_passed_on_is_the_span(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    seen = server.get("/environ").json()
    span = collector.span("GET /environ")
    assert seen["HTTP_TRACEPARENT"] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"
    assert seen["nodrop.sampled"] is True
    assert not span.parent_span_id


def test_an_invalid_caller_is_none(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    server.get("/own-id", headers={"traceparent": f"00-{TRACE.upper()}-{PARENT}-01"})
    assert not collector.span("GET /own-id").parent_span_id


def test_a_failure_is_an_error(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    assert server.get("/fail").status == 500
    span = collector.span("GET /fail")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert (attributes(span)["error.type"], attributes(span)["http.response.status_code"]) == ("500", 500)


def test_a_failure_in_the_middle_of_an_answer_is_an_error_too(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    with pytest.raises((HTTPException, OSError)):
        server.get("/fail-in-stream")
    span = collector.span("GET /fail-in-stream")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "ValueError"
    assert [attributes(event)["exception.message"] for event in span.events] == ["failed half way"]


def test_clients_can_not_make_up_names_of_spans(traced: tuple[Server, Collector]) -> None:
    server, collector = traced
    exchange(server, b"MADEUP /nowhere%ff%00 HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\nConnection: close\r\n\r\n")
    span = collector.span("HTTP")
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "MADEUP"
    assert attributes(span)["url.path"] == "/nowhere\ufffd\x00"


def test_what_is_sampled_is_the_variables_decision(tmp_path: Path) -> None:
    with collecting() as collector, serving(
        tmp_path, WSGI_APP="tests.talkative:app", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.endpoint}/v1/traces",
        OTEL_TRACES_SAMPLER="parentbased_always_off",
    ) as server:  # fmt: skip
        assert server.get("/environ").json()["nodrop.sampled"] is False
        seen = server.get("/users/ada", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        assert seen.status == 200
        server.stop()
        assert [span.name for span in collector.spans] == ["GET /users/<name>"]


def test_what_is_not_sent_yet_is_sent_when_the_worker_ends(tmp_path: Path) -> None:
    with collecting() as collector, serving(
        tmp_path, WSGI_APP="tests.talkative:app", WEB_CONCURRENCY="2",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_BSP_SCHEDULE_DELAY="60000",
    ) as server:  # fmt: skip
        for _ in range(10):
            server.get("/users/ada")
        server.stop()
        spans = [span for span in collector.spans if span.name == "GET /users/<name>"]
        assert len({span.span_id for span in spans}) == len(spans) == 10


def test_an_application_with_a_provider_of_its_own_keeps_it(tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "TALKATIVE": "own provider"}
    with serving(tmp_path, WSGI_APP="tests.talkative:app", **variables) as server:
        server.get("/traced")
        until("both are there", lambda: {"lookup", "GET /traced"} <= set(server.get("/spans").json()))
        # Nor did anything try to replace it.
        assert not [entry for entry in server.log() if entry["logger"].startswith("opentelemetry")]


MOUNTED = """
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

cart = Flask("cart")

@cart.get("/cart/<int:number>/<reset_token>")
def item(number, reset_token):
    return "item"

app = DispatcherMiddleware(Flask("site"), {"/inner": cart})
"""


@pytest.mark.parametrize(
    ("variables", "before", "headers"),
    [
        ({}, "", {}),
        ({"URL_PREFIX": "/site"}, "/site", {}),
        ({"URL_PREFIX": "/site", "URL_PREFIX_STRIPPED": "true"}, "", {}),
        ({"TRUSTED_PROXIES": "1", "FORWARDED_HEADERS": "for, prefix"}, "", {"X-Forwarded-Prefix": "/site"}),
    ],
    ids=["at the root", "prefix passed on", "prefix stripped", "prefix told"],
)
def test_metric_access_line_and_span_name_the_same_route_of_a_mounted_application(
    tmp_path: Path, variables: dict[str, str], before: str, headers: dict[str, str]
) -> None:
    route = "/inner/cart/<int:number>/<reset_token>"
    with collecting() as collector, serving(
        tmp_path, **own_application(tmp_path, MOUNTED), **variables,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_BSP_SCHEDULE_DELAY="50",
    ) as server:  # fmt: skip
        assert server.get(f"{before}/inner/cart/7/hunter2", headers=headers).status == 200
        line = find(server, lambda entry: entry.get("status") == 200 and "/cart/7" in entry.get("url", ""))
        assert line["route"] == route
        # Which segment is the token is known from the route.
        assert line["url"] == f"{before}/inner/cart/7/REDACTED"
        assert attributes(collector.span(f"GET {route}"))["http.route"] == route
        counts = [key for key in server.metrics() if key.startswith("flask_http_request_duration_seconds_count")]
        assert [key for key in counts if f'route="{route}"' in key]


# --- Without a collector --------------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_collector_that_is_not_there_harms_nothing(tmp_path: Path, how: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if how == "is silent":
            silent.listen()
        with serving(
            tmp_path, WSGI_APP="tests.talkative:app", OTEL_BSP_SCHEDULE_DELAY="20",
            OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
        ) as server:  # fmt: skip
            assert server.get("/users/ada").status == 200
            find(server, lambda entry: entry["logger"].startswith("opentelemetry"))
            # Each of these, a moment apart, would be a complaint of the SDK.
            for number in range(40):
                began = time.monotonic()
                assert server.get(f"/users/{number}").status == 200
                assert time.monotonic() - began < 1
            began = time.monotonic()
            assert server.stop() == 0
            # gunicorn's own end takes its moment too.
            assert time.monotonic() - began < tracing.FLUSH_SECONDS + 2
            lines = [entry for entry in server.log() if entry["logger"].startswith("opentelemetry")]
            assert len(lines) == 1


@pytest.mark.alone
def test_a_silent_collector_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """With the SDK's own time limit, ten seconds an attempt."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(tmp_path, WSGI_APP="tests.talkative:app", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
            server.get("/users/ada")
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < tracing.FLUSH_SECONDS + 2


# --- On and off -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}])
def test_nothing_of_it_is_imported_when_it_is_off(tmp_path: Path, variables: dict[str, str]) -> None:
    with serving(tmp_path, WSGI_APP="tests.talkative:app", **variables) as server:
        modules = server.get("/modules").json()
    assert "nodrop.tracing.opentelemetry" in modules
    assert not [name for name in modules if name.startswith(("opentelemetry", "google.protobuf"))]


def test_when_it_is_off_nothing_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)

    def application(_environ: Any, _start_response: Any) -> list[bytes]:
        return []

    assert tracing.instrument(application) is application


def test_the_start_is_refused_when_it_is_on_and_not_installed(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()  # hides the one that is installed
    refused = start(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert refused.returncode == 1
    assert refused.stderr == (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: run pip install 'nodrop[otel]', "
        "or unset it\n"
    )


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4318' can't be accepted: "
            "set it to a URL, such as http://collector:4318",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL='grpc' can't be accepted: set it to http/protobuf, or leave it unset",
        ),
    ],
)
def test_what_can_not_work_is_refused(variables: dict[str, str], problem: str) -> None:
    assert tracing.problems_of(variables)[0] == problem


def test_the_protocol_that_is_spoken_may_be_named() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    assert not [problem for problem in tracing.problems_of(variables) if "PROTOCOL" in problem]


def test_an_application_is_not_traced_to_where_nothing_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
    with pytest.raises(SettingsError, match="set it to a URL"):
        tracing.instrument(lambda *_: [])


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_the_standard_variables_switch_it(variables: dict[str, str], name: str | None) -> None:
    assert tracing.switch(variables) == name
