"""Metrics of requests: each counted once, as what its client got, and no client can add series."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import socket
import string
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from flask import Flask
from gunicorn.http.wsgi import FileWrapper
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Exemplar

from nodrop.metrics.request_metrics import MAX_SERIES, Exchange, RequestMetrics, _note_exception
from nodrop.metrics.store import ValueStore
from tests.serving_process import ROOT, Server, serving, until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Whatever the exporter's hooks would count wrongly or not at all. Two Flask applications, under middleware.
APPLICATION = """
import os, time
from flask import Flask, Response, abort, request, send_file, session
from prometheus_client import Counter, Gauge
from prometheus_flask_exporter import PrometheusMetrics
from werkzeug.middleware.dispatcher import DispatcherMiddleware

main = Flask("main")
main.secret_key = "x"
if os.environ.get("EXPORTER"):
    PrometheusMetrics(main)  # a route /metrics of its own, and metrics of the same names as ours
orders = Counter("orders", "Orders", ["size"])
depth = Gauge("queue_depth", "Depth", multiprocess_mode="livemax")
orders.labels("large")

@main.before_request
def guard():
    if request.args.get("guard"):
        return "no", 401

@main.after_request
def after(response):
    if request.args.get("teapot"):
        response.status_code = 418
    if request.args.get("after"):
        raise ValueError("after")
    return response

@main.teardown_request
def teardown(error):
    if request.args.get("teardown"):
        raise ValueError("teardown")

@main.get("/items/<name>")
def item(name):
    return name

@main.get("/broken/<way>")
def broken(way):
    if way == "handled":
        abort(409)
    if way == "session":
        session["x"] = object()
        return "never saved"
    raise ValueError(way)

@main.get("/stream")
def stream():
    def pieces():
        for number in range(4):
            if number == 2 and request_broken:
                raise ValueError("stream")
            time.sleep(wait)
            yield b"x" * size
    request_broken = bool(request.args.get("broken"))
    wait = float(request.args.get("wait", 0.1))
    size = int(request.args.get("size", 1000))
    return Response(pieces())

@main.get("/file")
def file():
    return send_file(__file__)

@main.get("/hold")
def hold():
    time.sleep(float(request.args["seconds"]))
    return "held"

@main.route("/dav", methods=["PROPFIND"])
def dav():
    return "dav"

@main.post("/orders")
def order():
    orders.labels("large").inc(3)
    depth.set(7)
    return "ordered"

@main.get("/codes/<int:code>")
def codes(code):
    return "code", code

mounted = Flask("mounted")

@mounted.get("/items/<name>")
def mounted_item(name):
    return name

inner = DispatcherMiddleware(main, {"/mounted": mounted})

def app(environ, start_response):
    if environ["PATH_INFO"] == "/middleware":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    if trace_id := environ.get("HTTP_TRACE_ID"):
        # As the serving layer's request context does.
        environ.update({"nodrop.trace_id": trace_id, "nodrop.sampled": "HTTP_UNSAMPLED" not in environ})
    return inner(environ, start_response)
"""


def application(folder: Path) -> dict[str, str]:
    """The variables of a server of the application above."""
    (folder / "measured.py").write_text(APPLICATION)
    return {"WSGI_APP": "measured:app", "PYTHONPATH": f"{ROOT}:{folder}", "ACCESS_LOG": "0"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("measured")
    with serving(folder, **application(folder), METRICS_BUCKETS="0.1,0.35,2", WEB_THREADS="8") as server:
        yield server


def added(before: dict[str, float], after: dict[str, float], name: str) -> dict[str, float]:
    """What was added to the series of this name, by their labels."""
    return {
        key.removeprefix(name): after[key] - before.get(key, 0)
        for key in after
        if key.partition("{")[0] == name and after[key] != before.get(key, 0)
    }


COUNT = "flask_http_request_duration_seconds_count"
EXCEPTIONS = "flask_http_route_exceptions_total"


@pytest.mark.parametrize(
    ("target", "method", "route", "status", "exceptions"),
    [
        ("/items/7", "GET", "/items/<name>", 200, 0),
        ("/items/7", "HEAD", "/items/<name>", 200, 0),
        ("/items/7", "POST", "", 405, 0),
        ("/nowhere", "GET", "", 404, 0),
        ("/dav", "PROPFIND", "/dav", 200, 0),
        ("/items/7?guard=1", "GET", "/items/<name>", 401, 0),
        ("/items/7?teapot=1", "GET", "/items/<name>", 418, 0),
        ("/items/7?after=1", "GET", "/items/<name>", 500, 1),
        ("/items/7?teardown=1", "GET", "/items/<name>", 500, 1),
        ("/broken/unhandled", "GET", "/broken/<way>", 500, 1),
        ("/broken/handled", "GET", "/broken/<way>", 409, 0),
        ("/broken/session", "GET", "/broken/<way>", 500, 1),
        ("/stream?wait=0", "GET", "/stream", 200, 0),
        ("/file", "GET", "/file", 200, 0),
        ("/mounted/items/7", "GET", "/mounted/items/<name>", 200, 0),
        ("/middleware", "GET", "", 200, 0),
    ],
)
def test_a_request_is_counted_once_as_what_its_client_got(
    measured: Server, target: str, method: str, route: str, status: int, exceptions: int
) -> None:
    before = measured.metrics()
    answer = measured.get(target, method=method)
    # At once: an answer that a client has in full is counted.
    after = measured.metrics()
    assert answer.status == status
    labels = f'{{method="{method}",route="{route}",status="{status}"}}'
    assert added(before, after, COUNT) == {labels: 1}
    assert added(before, after, "flask_http_request_total") == {f'{{method="{method}",status="{status}"}}': 1}
    if status != 500 or route == "/broken/<way>":  # else the server answers, not the application
        size = {labels: len(answer.body)} if answer.body else {}
        assert added(before, after, "flask_http_response_size_bytes_sum") == size
    failed = {f'{{method="{method}",route="{route}"}}': exceptions} if exceptions else {}
    assert added(before, after, EXCEPTIONS) == failed
    assert sum(added(before, after, "flask_http_request_exceptions_total").values()) == exceptions


def test_the_duration_is_the_applications_time_streaming_included_and_the_buckets_are_as_set(measured: Server) -> None:
    before = measured.metrics()
    assert len(measured.get("/stream?wait=0.1").body) == 4000
    after = measured.metrics()
    labels = '{method="GET",route="/stream",status="200"}'
    seconds = added(before, after, "flask_http_request_duration_seconds_sum")[labels]
    assert 0.4 <= seconds < 2
    bounds = [key.partition('le="')[2].partition('"')[0] for key in added(before, after, COUNT[:-5] + "bucket")]
    assert bounds == ["2.0", "+Inf"]
    assert f'flask_http_request_duration_seconds_bucket{{le="0.35",{labels[1:]}' in after


def test_a_client_that_takes_its_answer_slowly_does_not_make_the_application_slow(measured: Server) -> None:
    before = measured.metrics()
    with socket.create_connection(("127.0.0.1", measured.port), timeout=10) as client:
        client.sendall(b"GET /stream?wait=0&size=4000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        threading.Event().wait(3)
        while client.recv(1 << 20):
            pass
    until("it is counted", lambda: added(before, measured.metrics(), COUNT) != {})
    assert next(iter(added(before, measured.metrics(), COUNT[:-5] + "sum").values())) < 2


def test_an_exception_in_a_streamed_body_is_counted(measured: Server) -> None:
    before = measured.metrics()
    connection = HTTPConnection("127.0.0.1", measured.port, timeout=10)
    connection.request("GET", "/stream?wait=0&broken=1")
    with pytest.raises(Exception):  # noqa: B017, PT011  # cut off, in whichever way
        connection.getresponse().read()
    connection.close()
    after = measured.metrics()
    assert added(before, after, COUNT) == {'{method="GET",route="/stream",status="200"}': 1}
    assert added(before, after, EXCEPTIONS) == {'{method="GET",route="/stream"}': 1}


def test_what_the_worker_answers_itself_is_counted(measured: Server) -> None:
    before = measured.metrics()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", measured.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b" 400 " in client.recv(1000)
    assert added(before, measured.metrics(), "nodrop_requests_refused_total") == {'{status="400"}': 3}


def test_how_long_a_request_waited_for_a_thread_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1", WEB_THREADS="1") as server, ThreadPoolExecutor(2) as clients:
        before = server.metrics()["nodrop_queue_seconds_sum"]
        for answer in [clients.submit(server.get, "/sleep?ms=2000") for _ in range(2)]:
            assert answer.result().status == 200
        assert 0.3 < server.metrics()["nodrop_queue_seconds_sum"] - before < 5

        def waited_ms() -> list[float]:
            return [entry["queued_ms"] for entry in server.log() if entry.get("url") == "/sleep?ms=2000"]

        until("both are logged", lambda: len(waited_ms()) == 2)
        waited = waited_ms()
        assert min(waited) < 300 < max(waited)


def test_the_oldest_request_may_be_one_that_waits(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1", WEB_THREADS="1") as server, ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(server.get, "/sleep?ms=600") for _ in range(8)]
        # No thread has had any of them for so long.
        until("the last has waited", lambda: server.metrics()["nodrop_oldest_request_seconds"] > 1, timeout=5)
        assert [answer.result().status for answer in answers] == [200] * 8
        until("no request is left", lambda: server.metrics()["nodrop_oldest_request_seconds"] == 0, timeout=5)


def test_exceptions_of_made_up_mounts_have_an_end_too(tmp_path: Path, store: ValueStore) -> None:
    metrics = RequestMetrics(store, [1])
    for number in range(MAX_SERIES + 50):
        metrics.failed("GET", f"/{number}/x", "500")
    failing = [name for name in samples(tmp_path) if name.startswith("flask_http_route_exceptions_total")]
    assert len(failing) == MAX_SERIES + 1


def test_requests_in_flight_are_told_and_end_even_if_the_client_goes(measured: Server) -> None:
    def in_flight() -> float:
        return measured.metrics()["flask_http_requests_in_flight"]

    before = measured.metrics()
    until("none", lambda: in_flight() == 0)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(measured.get, "/hold?seconds=2.5")
        until("one", lambda: in_flight() == 1)
        held.result()
    until("none", lambda: in_flight() == 0)
    with socket.create_connection(("127.0.0.1", measured.port), timeout=10) as client:
        client.sendall(b"GET /stream?wait=1&size=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        until("two", lambda: in_flight() == 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until("none", lambda: in_flight() == 0)
    counted = added(before, measured.metrics(), COUNT)
    assert counted == {f'{{method="GET",route="{route}",status="200"}}': 1 for route in ("/hold", "/stream")}


# --- No client can add series ---------------------------------------------------------------------------------------


def test_ten_thousand_made_up_urls_methods_and_queries_add_no_series(measured: Server) -> None:
    """4 connections of 2500 requests each, some for routes that exist."""

    def send(seed: int) -> int:
        made_up = random.Random(seed)
        answers = 0
        address = ("127.0.0.1", measured.port)
        with socket.create_connection(address, timeout=30) as connection, connection.makefile("rb") as received:
            for _ in range(2500):
                word = "".join(made_up.choices(string.ascii_letters + "<>{}", k=12))
                path = made_up.choice(["/", "/items/", "/mounted/items/", "/mounted/", "/items/x/", "/metrics/"]) + word
                host = "".join(filter(str.isalpha, word)) or "x"
                method = made_up.choice(["GET", "".join(made_up.choices(string.ascii_uppercase, k=8))])
                connection.sendall(f"{method} {path}?{word}={word} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                status = received.readline()
                assert re.match(rb"HTTP/1.1 (200|404|405) ", status), (method, path, status)
                length = 0
                while (line := received.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                received.read(length)
                answers += 1
        return answers

    # One of each kind that gets series: known or made-up methods, with and without a route.
    for path in ("/items/x", "/mounted/items/x", "/nowhere"):
        for method in ("GET", "MADEUP"):
            measured.get(path, method=method)
    before = measured.metrics()
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, range(4))) == 10_000
    after = measured.metrics()
    assert after.keys() == before.keys()
    assert sum(added(before, after, COUNT).values()) == 10_000


def test_status_codes_that_are_none_share_a_series(measured: Server) -> None:
    for code in (299, 298, 599, 799):
        measured.get(f"/codes/{code}")
    statuses = {
        key.partition('status="')[2][:-2] for key in measured.metrics() if key.startswith(COUNT) and "codes" in key
    }
    assert statuses == {"2xx", "5xx", "_OTHER"}


# --- The application's own metrics ----------------------------------------------------------------------------------


def test_the_applications_own_metrics_are_served_beside_ours(measured: Server) -> None:
    measured.get("/orders", method="POST")
    metrics = measured.metrics()
    assert metrics['orders_total{size="large"}'] == 3
    assert metrics["queue_depth"] == 7


def test_an_exporter_of_the_applications_own_goes_on_working_and_does_not_mix_with_ours(tmp_path: Path) -> None:
    name = 'flask_http_request_total{method="GET",status="200"}'
    with serving(tmp_path, **application(tmp_path), EXPORTER="1") as server:
        for _ in range(5):
            server.get("/items/7")
        text = server.get("/metrics").body.decode()
        # Theirs counts by path, and not its own route; ours counts that too.
        assert f"{name} 5.0\n" in text
        assert 'flask_http_request_duration_seconds_count{method="GET",path="/items/7",status="200"} 5.0\n' in text
        assert "route=" not in text
        metrics = server.metrics()
        assert metrics[name] == 6
        assert (
            metrics['flask_http_request_duration_seconds_count{method="GET",route="/items/<name>",status="200"}'] == 5
        )
        assert not [key for key in metrics if "path=" in key]
        # Nor does theirs lose a worker's counts when those are merged.
        os.kill(server.workers()[0], signal.SIGKILL)
        until("another worker", lambda: len(server.workers()) == 2 and server.is_ready())
        until("the merge", lambda: server.metrics()["nodrop_worker_starts_total"] == 2)
        assert f"{name} 5.0\n" in server.get("/metrics").body.decode()
        assert server.metrics()[name] == 7


# --- Exemplars ------------------------------------------------------------------------------------------------------


def test_buckets_carry_the_trace_of_their_last_sampled_request_in_openmetrics(measured: Server) -> None:
    sampled, unsampled = "4bf92f3577b34da6a3ce929d0e0e4736", "5cf92f3577b34da6a3ce929d0e0e4737"

    def buckets() -> list[str]:
        text = measured.manage("/metrics", headers={"Accept": "application/openmetrics-text"}).body.decode()
        return [line for line in text.splitlines() if "_bucket" in line and "trace_id" in line]

    measured.get("/items/7", headers={"Trace-Id": unsampled, "Unsampled": "1"})
    measured.get("/items/7", headers={"Trace-Id": sampled})
    (line,) = buckets()
    assert line.startswith("flask_http_request_duration_seconds_bucket{")
    assert 'route="/items/<name>"' in line
    assert f'# {{trace_id="{sampled}"}}' in line
    # Plain text has no place for them.
    assert b"trace_id" not in measured.manage("/metrics").body


# --- In the worker itself -------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ValueStore]:
    store = ValueStore(tmp_path)
    yield store
    store.close()


def samples(folder: Path) -> dict[str, float]:
    """What a worker has written, by name and labels."""
    families = MultiProcessCollector.merge([str(path) for path in folder.glob("*.db")])  # type: ignore[no-untyped-call]
    return {f"{s.name}{sorted(s.labels.items())}": s.value for family in families for s in family.samples}


def test_a_file_reaches_the_server_as_it_is_so_that_the_kernel_can_send_it(tmp_path: Path, store: ValueStore) -> None:
    content = io.BytesIO(b"x" * 1000)
    file: Any = FileWrapper(content)

    def application(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1000")])
        return cast("Iterable[bytes]", file)

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}
    exchange = Exchange(RequestMetrics(store, (1.0,)), environ, lambda *_: lambda _: None)
    assert cast(Any, exchange.run(application, environ)) is file
    assert samples(tmp_path)["flask_http_requests_in_flight[]"] == 1
    labels = "[('method', 'GET'), ('route', ''), ('status', '200')]"
    assert samples(tmp_path)[f"flask_http_response_size_bytes_sum{labels}"] == 1000
    file.close()
    assert samples(tmp_path)["flask_http_requests_in_flight[]"] == 0
    assert content.closed


def test_the_number_of_series_has_an_end_even_if_routes_have_not(tmp_path: Path, store: ValueStore) -> None:
    """As with an application that mounts another for each tenant."""
    metrics = RequestMetrics(store, (1.0,))
    for number in range(MAX_SERIES + 50):
        metrics.finished(("GET", f"/{number}/", "200"), 0.1, 10, None)
    found = samples(tmp_path)
    assert len([name for name in found if name.startswith(COUNT)]) == MAX_SERIES + 1
    assert found[f"{COUNT}[('method', '_OTHER'), ('route', '_OTHER'), ('status', '200')]"] == 50
    assert found["flask_http_request_total[('method', 'GET'), ('status', '200')]"] == MAX_SERIES


def test_an_exception_outside_of_any_measured_request_is_nobodys() -> None:
    with Flask("x").test_request_context():
        _note_exception(None)


def test_a_request_that_is_closed_twice_is_finished_once(tmp_path: Path, store: ValueStore) -> None:
    metrics = RequestMetrics(store, [1])
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    exchange: Any = Exchange(metrics, environ, lambda *_: lambda _: None).run(lambda _, start: _answer(start), environ)
    exchange.close()
    exchange.close()
    assert samples(tmp_path)["flask_http_requests_in_flight[]"] == 0


def _answer(start: Any) -> Iterator[bytes]:
    start("200 OK", [])
    return iter([b"part"])


def test_what_comes_after_the_end_is_counted_for_nobody(tmp_path: Path, store: ValueStore) -> None:
    """As in a child process, and in the moment in which it becomes one."""
    metrics = RequestMetrics(store, [1])
    metrics.finished(("GET", "/", "200"), 0.1, 10, None)
    before = samples(tmp_path)

    class Detaching:
        def __enter__(self) -> None:
            store.is_open = False

        def __exit__(self, *_: object) -> None:
            pass

    store.lock = cast(Any, Detaching())
    metrics.finished(("GET", "/", "200"), 0.1, 10, None)
    metrics.finished(("GET", "/", "200"), 0.1, 10, None)
    store.note("key", Exemplar({"trace_id": "x"}, 0.1, 1.0))
    assert samples(tmp_path) == before
    assert not list(tmp_path.glob("*.json"))
