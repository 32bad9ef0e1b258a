"""Event streams and WebSockets: they hold no place that a request needs, and a silent one is no stall."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean

import pytest

from tests.raw import connect, receive_all, vanish
from tests.serving_process import Server, at_full_speed, own_application, serving, until, warm_up

APPLICATION = """
import collections, pathlib, random, threading, time
from flask import Flask, Response, request
from flask_sock import Sock
app = Flask(__name__)
sock = Sock(app)
ends = collections.defaultdict(threading.Event)
@app.get("/")
def index(): return "ok"
@app.get("/stream")
def stream():
    every, end = float(request.args["every"]), ends[request.args.get("name", "all")]
    def events():
        yield "data: first\\n\\n"
        # Not all at the same moment, as those of many clients are not.
        if end.wait(every * random.random()): return
        while True:
            yield "data: next\\n\\n"
            if end.wait(every): return
    return Response(events(), mimetype="text/event-stream")
@app.get("/short")
def short():
    seconds = float(request.args["seconds"])
    def events():
        yield "data: first\\n\\n"
        time.sleep(seconds)
        yield "data: last\\n\\n"
    return Response(events(), mimetype="text/event-stream")
@app.get("/poll")
def poll():
    ends["all"].wait()
    return "late"
@sock.route("/ws")
def ws(connection):
    every = float(request.args["every"])
    connection.send("first")
    if ends["all"].wait(every * random.random()): return
    while not ends["all"].wait(every): connection.send("next")
def look():
    while True:
        time.sleep(0.05)
        for name, end in list(ends.items()):
            if pathlib.Path(__file__).with_name("end-" + name).exists(): end.set()
threading.Thread(target=look, daemon=True).start()
"""
STREAM = b"GET /stream?every=%d HTTP/1.0\r\n\r\n"
SHORT = b"GET /short?seconds=%d HTTP/1.0\r\n\r\n"
POLL = b"GET /poll HTTP/1.1\r\nHost: x\r\n\r\n"
WEBSOCKET = (
    b"GET /ws?every=%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
SILENT = 3600
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SOON = 5.0
"""Seconds. Without a thread to take a stream's place, a request waits for QUEUE_TIMEOUT, 15 s, and is refused."""
BLOCK_REQUESTS, QUIET_BLOCKS, MEASURED_SECONDS = 100, 10, 25


@contextmanager
def streaming(folder: Path, **variables: str) -> Iterator[Server]:
    """A server with the application above, whose streams end before it is stopped."""
    folder.mkdir(exist_ok=True)
    with serving(folder, **own_application(folder, APPLICATION), **{"GRACEFUL_TIMEOUT": "1", **variables}) as server:
        yield server


def opened(server: Server, request: bytes, stack: ExitStack) -> socket.socket:
    """A connection on which this was asked, and the first event has come."""
    client = stack.enter_context(connect(server))
    client.sendall(request)
    received = b""
    while b"first" not in received:
        part = client.recv(4096)
        assert part, f"closed after {received!r}"
        received += part
    return client


def answered_in(server: Server) -> float:
    """Seconds until a new client has its answer."""
    began = time.monotonic()
    assert server.get("/", timeout=10).status == 200
    return time.monotonic() - began


def threads(server: Server) -> int:
    """How many the worker has."""
    return len(list(Path(f"/proc/{server.workers()[-1]}/task").iterdir()))


@pytest.mark.parametrize("request_", [STREAM % SILENT, WEBSOCKET % SILENT, POLL], ids=["stream", "websocket", "poll"])
def test_a_pod_with_one_silent_request_is_alive_and_ready_for_as_long_as_it_lasts(
    tmp_path: Path, request_: bytes
) -> None:
    """Four times STALL_TIMEOUT, which is what 8 minutes are to its default."""
    with streaming(tmp_path, STALL_TIMEOUT="2") as server, connect(server) as client:
        client.sendall(request_)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert (server.manage("/livez").status, server.manage("/readyz").status) == (200, 200)
            assert server.get("/").status == 200
            time.sleep(0.2)


@pytest.mark.parametrize("request_", [STREAM % SILENT, WEBSOCKET % SILENT], ids=["streams", "websockets"])
def test_as_many_streams_as_there_are_threads_keep_no_request_waiting(tmp_path: Path, request_: bytes) -> None:
    with streaming(tmp_path) as server, ExitStack() as stack:
        for _ in range(8):
            opened(server, request_, stack)
        assert answered_in(server) < SOON
        assert server.manage("/readyz").status == 200


@pytest.mark.alone
@pytest.mark.parametrize("request_", [STREAM % SILENT, WEBSOCKET % SILENT], ids=["streams", "websockets"])
def test_many_streams_that_connect_at_once_do_not_wait_for_each_other(tmp_path: Path, request_: bytes) -> None:
    """As after a rollout, when all clients come again: a request that comes last waits for all of them."""
    with streaming(tmp_path, WEB_THREADS="2") as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(200)]
        began = time.monotonic()
        for client in clients:
            client.sendall(request_)
        assert server.get("/").status == 200
        # A twentieth of a second for each would be ten.
        assert time.monotonic() - began < 5


def test_above_the_limit_of_streams_what_finds_no_thread_is_refused_in_time_until_one_ends(tmp_path: Path) -> None:
    limits = {"WEB_THREADS": "2", "MAX_STREAMS": "3", "QUEUE_TIMEOUT": "1", "STALL_TIMEOUT": "60"}
    with streaming(tmp_path, **limits) as server, ExitStack() as stack:
        # Three give their place to another thread, and two hold the places that there are.
        for _ in range(4):
            opened(server, STREAM % SILENT, stack)
        last = opened(server, b"GET /stream?every=3600&name=last HTTP/1.0\r\n\r\n", stack)
        for path in ("/", "/stream?every=3600", "/"):
            began = time.monotonic()
            answer = server.get(path)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            assert 0.9 < time.monotonic() - began < 5
        assert server.manage("/livez").status == 200
        (tmp_path / "end-last").touch()
        assert receive_all(last) == b""
        assert answered_in(server) < SOON


def test_streams_that_end_give_their_places_and_threads_back(tmp_path: Path) -> None:
    limits = {"WEB_THREADS": "2", "MAX_STREAMS": "20"}
    with streaming(tmp_path, **limits) as server, ExitStack() as stack:
        warm_up(server)
        before = threads(server)
        streams = [opened(server, STREAM % SILENT, stack) for _ in range(10)]
        streams += [opened(server, WEBSOCKET % SILENT, stack) for _ in range(10)]
        assert threads(server) >= before + 18
        metrics = server.metrics()
        assert metrics["nodrop_streams"] >= 18
        assert metrics["nodrop_threads_busy"] <= metrics["nodrop_threads"] == 2, "no stream is counted in both"
        (tmp_path / "end-all").touch()
        for client in streams:
            receive_all(client)
        # The library waits for the client to close its side, for up to two seconds.
        until("the threads are as many as before", lambda: threads(server) <= before, timeout=15)
        assert (server.metrics()["nodrop_streams"], server.metrics()["nodrop_threads_busy"]) == (0, 0)
        assert answered_in(server) < SOON


def test_a_stream_whose_client_has_vanished_is_ended_after_write_timeout(tmp_path: Path) -> None:
    """Its small writes fill no buffer, and nothing tells that there is nobody any more."""
    with streaming(tmp_path, WEB_THREADS="1", WRITE_TIMEOUT="1") as server, ExitStack() as stack:
        vanish(opened(server, b"GET /stream?every=0.1 HTTP/1.0\r\n\r\n", stack))
        assert answered_in(server) < 2
        assert server.metrics()["nodrop_streams"] == 1
        until("the stream has ended", lambda: server.metrics()["nodrop_streams"] == 0, timeout=20)
        assert server.manage("/livez").status == 200


def test_a_thread_whose_stream_has_ended_takes_the_place_of_another_that_streams(tmp_path: Path) -> None:
    """At the limit, while nobody is idle: the worker must not want more threads than it has numbers for."""
    limits = {"WEB_THREADS": "1", "MAX_STREAMS": "1", "QUEUE_TIMEOUT": "30"}
    with streaming(tmp_path, **limits) as server, ExitStack() as stack:
        opened(server, b"GET /stream?every=3600&name=first HTTP/1.0\r\n\r\n", stack)
        polling, second, third = (stack.enter_context(connect(server)) for _ in range(3))
        polling.sendall(POLL)
        until("both threads are busy", lambda: server.metrics()["nodrop_threads_busy"] == 1)
        second.sendall(b"GET /stream?every=3600&name=second HTTP/1.0\r\n\r\n")
        until("it waits", lambda: server.metrics()["nodrop_requests_waiting"] == 1)
        (tmp_path / "end-first").touch()
        assert second.recv(4096)
        third.sendall(GET)
        time.sleep(0.5)
        (tmp_path / "end-second").touch()
        assert third.recv(4096).endswith(b"ok")
        assert len(server.workers()) == 1, "it is the same worker"


def test_where_the_system_gives_no_thread_requests_wait_for_a_stream_to_end(tmp_path: Path) -> None:
    """As at the limit of a pod's processes. What is in flight goes on, and threads are added when there are any."""
    refusing = """
def refusing(thread, start=threading.Thread.start):
    here = pathlib.Path(__file__)
    if thread.name == "request-1" and here.with_name("full").exists(): raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = refusing
"""
    application = own_application(tmp_path, APPLICATION + refusing)
    with serving(tmp_path, **application, WEB_THREADS="1", GRACEFUL_TIMEOUT="1") as server, ExitStack() as stack:
        (tmp_path / "full").touch()
        opened(server, STREAM % SILENT, stack)
        waiting = stack.enter_context(connect(server))
        waiting.sendall(GET)
        until("it is logged", lambda: "can't start new thread" in server.log_file.read_text(), timeout=5)
        (tmp_path / "full").unlink()
        assert waiting.recv(4096).endswith(b"ok")
        assert len(server.workers()) == 1, "it is the same worker"


def test_streams_that_end_by_themselves_make_room_for_others_again_and_again(tmp_path: Path) -> None:
    limits = {"WEB_THREADS": "1", "MAX_STREAMS": "4"}
    with streaming(tmp_path, **limits) as server, ExitStack() as stack:
        for _ in range(3):
            began = time.monotonic()
            clients = [opened(server, SHORT % 3, stack) for _ in range(5)]
            assert time.monotonic() - began < 3, "all are open at once"
            assert all(receive_all(client).endswith(b"data: last\n\n") for client in clients)
        assert answered_in(server) < SOON


# --- Stopping ---------------------------------------------------------------------------------------------------------


def test_more_streams_than_threads_are_finished_at_a_stop(tmp_path: Path) -> None:
    with streaming(tmp_path, GRACEFUL_TIMEOUT="15", WEB_THREADS="2") as server, ExitStack() as stack:
        clients = [opened(server, SHORT % 4, stack) for _ in range(10)]
        began = time.monotonic()
        with ThreadPoolExecutor(1) as stopper:
            stop = stopper.submit(server.stop)
            assert all(receive_all(client).endswith(b"data: last\n\n") for client in clients)
            assert stop.result() == 0
        assert time.monotonic() - began < 10, "the server waited for nothing else"


@pytest.mark.alone
def test_every_stream_that_outlasts_the_grace_period_is_named(tmp_path: Path) -> None:
    with streaming(tmp_path, WEB_THREADS="2") as server, ExitStack() as stack:
        for _ in range(5):
            opened(server, STREAM % SILENT, stack)
        for _ in range(5):
            opened(server, WEBSOCKET % SILENT, stack)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        cut = [entry["message"] for entry in server.log() if "GRACEFUL_TIMEOUT=1 is over" in entry["message"]]
        assert sorted(re.findall(r"GET '(\S+)'", " ".join(cut))) == ["/stream"] * 5 + ["/ws"] * 5


# --- Fast requests beside many streams --------------------------------------------------------------------------------


def block(clients: list[socket.socket]) -> list[float]:
    """The 99th percentile of each client's requests, in seconds, which take turns: what disturbs one disturbs all."""
    times: list[list[float]] = [[] for _ in clients]
    for _ in range(BLOCK_REQUESTS):
        for client, taken in zip(clients, times, strict=True):
            began = time.perf_counter()
            client.sendall(GET)
            assert client.recv(4096).endswith(b"ok")
            taken.append(time.perf_counter() - began)
    return [sorted(taken)[round(0.99 * BLOCK_REQUESTS) - 1] for taken in times]


@pytest.mark.alone
@pytest.mark.parametrize("every", [SILENT, 1], ids=["silent", "an event a second"])
def test_fast_requests_beside_200_streams_and_200_websockets_are_as_fast_as_without(tmp_path: Path, every: int) -> None:
    """Two servers, one with them and one without, whose requests take turns, in blocks. Of each, the blocks count that
    were disturbed least by what else the machine does: streams would disturb all of them."""
    with (
        at_full_speed(),
        streaming(tmp_path / "without") as without,
        streaming(tmp_path / "with") as beside,
        ExitStack() as stack,
    ):
        with ThreadPoolExecutor(50) as opening:
            asked = [opening.submit(opened, beside, STREAM % every, stack) for _ in range(200)]
            asked += [opening.submit(opened, beside, WEBSOCKET % every, stack) for _ in range(200)]
            for each in asked:
                each.result()
        assert threads(beside) > 400
        clients = [stack.enter_context(connect(each)) for each in (without, beside)]
        percentiles: list[list[float]] = []
        end = time.monotonic() + MEASURED_SECONDS
        while time.monotonic() < end or len(percentiles) < 3 * QUIET_BLOCKS:
            percentiles.append(block(clients))
        p99_without, p99_beside = (mean(sorted(each)[:QUIET_BLOCKS]) for each in zip(*percentiles, strict=True))
        print(f"p99 without {p99_without * 1000:.2f} ms, with {p99_beside * 1000:.2f}: {p99_beside / p99_without:.2f}")
        assert p99_beside < 1.5 * p99_without
        metrics = beside.metrics()
        assert metrics["nodrop_streams"] + metrics["nodrop_threads_busy"] >= 400
        assert beside.manage("/livez").status == 200
