"""WebSockets as applications do them on threads: flask-sock, and Flask-SocketIO with simple-websocket."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import simple_websocket
import socketio

from tests.raw import connect, exchange, split
from tests.serving_process import Server, own_application, serving, until, warm_up

FLASK_SOCK = """
import select, socket as sockets
from flask import Flask, request
from flask_sock import Sock
app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25}
sock = Sock(app)
@app.get("/")
def index(): return "ok"
@sock.route("/ws")
def echo(ws):
    while True:
        message = ws.receive()
        if message == "boom": raise ValueError("boom")
        if message == "bye": return
        ws.send(message)
@app.get("/questions")
def questions():
    sock = request.environ["gunicorn.socket"]
    asked = {name: hasattr(sock, name) for name in ("recv", "send", "makefile", "getpeercert")}
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    peer, own = sock.getpeername(), sock.getsockname()
    return asked | {
        "timeout": sock.gettimeout(), "blocking": sock.getblocking(), "writable": len(poller.poll(0)) == 1,
        "family": sock.family in (sockets.AF_INET, sockets.AF_INET6), "addresses": (peer[0][-9:], own[0][-9:]),
        "option": sock.getsockopt(sockets.SOL_SOCKET, sockets.SO_TYPE) == sockets.SOCK_STREAM, "fd": sock.fileno() > 2,
    }
kept = []
@app.get("/keeps")
def keeps(): kept.append(request.environ["gunicorn.socket"]); return "kept"
@app.get("/uses-it-later")
def uses_it_later():
    try: kept[0].send(b"not yours")
    except OSError as error: return str(error)
@app.get("/taken")
def taken():
    sock = request.environ["gunicorn.socket"]
    sock.settimeout(30)
    sock.sendall(b"mine")
    return "not sent"
@app.get("/taken-and-fails")
def taken_and_fails():
    request.environ["gunicorn.socket"].sendall(b"mine")
    # As some libraries end.
    if request.args["how"] == "stop": raise StopIteration
    raise ValueError("after the connection was taken over")
@app.get("/interrupts")
def interrupts(): raise KeyboardInterrupt
# Flask would answer in the place of these errors.
app.config["PROPAGATE_EXCEPTIONS"] = True
"""
SOCKET_IO = """
from flask import Flask
from flask_socketio import SocketIO, emit
app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading", ping_interval=1)
@app.get("/")
def index(): return "ok"
@socketio.on("echo")
def echo(text): emit("echoed", text)
@socketio.on("boom")
def boom(): raise ValueError("boom")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with flask-sock's application."""
    folder = tmp_path_factory.mktemp("flask-sock")
    with serving(folder, **own_application(folder, FLASK_SOCK), WEB_THREADS="4") as server:
        yield server


@contextmanager
def websocket(server: Server) -> Iterator[Any]:
    """A client of the application's /ws."""
    client = simple_websocket.Client(f"ws://127.0.0.1:{server.port}/ws")
    try:
        yield client
    finally:
        client.thread.join(10)
        client.sock.close()


def threads_and_sockets(server: Server) -> tuple[int, int]:
    """How many the worker has."""
    process = Path(f"/proc/{server.workers()[-1]}")
    files = []
    for file in (process / "fd").iterdir():
        # One may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            files.append(str(file.readlink()))
    return len(list((process / "task").iterdir())), sum(file.startswith("socket:") for file in files)


def access_lines(server: Server, path: str) -> list[dict[str, Any]]:
    """The access lines of a path."""
    return [entry for entry in server.log() if entry.get("url", "").startswith(path)]


def errors(server: Server) -> list[str]:
    """What was logged as an error."""
    return [entry["message"] for entry in server.log() if entry["level"] in ("error", "critical")]


def requests_by(server: Server, *labels: str) -> float:
    """How many requests the metrics tell, of all that have these labels."""
    return sum(
        value
        for name, value in server.metrics().items()
        if name.startswith("flask_http_request_duration_seconds_count{") and all(label in name for label in labels)
    )


def exceptions(server: Server) -> float:
    """How many exceptions the metrics tell."""
    return sum(v for name, v in server.metrics().items() if name.startswith("flask_http_route_exceptions_total"))


def test_a_websocket_that_ends_well_is_counted_and_logged_as_101_and_no_exception(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, FLASK_SOCK)) as server:
        with websocket(server) as client:
            client.send("hi")
            assert client.receive(10) == "hi"
            client.send("bye")
            with pytest.raises(simple_websocket.ConnectionClosed) as closed:
                client.receive(10)
            assert closed.value.reason == 1000
        until("it is logged", lambda: len(access_lines(server, "/ws")) == 1)
        assert access_lines(server, "/ws")[0]["status"] == 101
        until("it is counted", lambda: requests_by(server, 'status="101"', 'route="/ws"') == 1, timeout=5)
        assert requests_by(server, 'route="/ws"') == 1
        assert (exceptions(server), errors(server)) == (0, [])


def test_a_websocket_whose_handler_fails_leaves_no_thread_and_no_socket(server: Server) -> None:
    warm_up(server)
    before = threads_and_sockets(server)
    failed = exceptions(server)
    for _ in range(20):
        with websocket(server) as client:
            client.send("boom")
            with pytest.raises(simple_websocket.ConnectionClosed):
                client.receive(10)
    until("threads and sockets are as before", lambda: threads_and_sockets(server) <= before, timeout=5)
    until("all are counted", lambda: exceptions(server) - failed == 20, timeout=5)
    until("all are logged", lambda: len(access_lines(server, "/ws")) >= 20)
    assert {line["status"] for line in access_lines(server, "/ws")} == {101}
    assert requests_by(server, 'route="/ws"', 'status="500"') == 0


def test_a_client_that_does_not_close_its_websocket_keeps_no_thread_of_it(server: Server) -> None:
    before = threads_and_sockets(server)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    with connect(server) as client:
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + key + b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
        assert threads_and_sockets(server) > before
        # "boom", masked with zeros. The client leaves its own side open and answers nothing.
        client.sendall(b"\x81\x84\x00\x00\x00\x00boom")
        until("the thread in recv is gone", lambda: threads_and_sockets(server) <= before, timeout=10)


def test_a_socket_io_session_over_websocket_is_counted_as_101_and_no_exception(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, SOCKET_IO)) as server:
        warm_up(server)
        before = threads_and_sockets(server)
        for _ in range(5):
            client = socketio.SimpleClient()
            client.connect(f"http://127.0.0.1:{server.port}", transports=["websocket"], wait_timeout=10)
            client.emit("echo", "hi")
            assert client.receive(timeout=10) == ["echoed", "hi"]
            client.disconnect()
        until("all are logged", lambda: len(access_lines(server, "/socket.io")) == 5)
        assert {line["status"] for line in access_lines(server, "/socket.io")} == {101}
        until("all are counted", lambda: requests_by(server, 'status="101"') == 5, timeout=5)
        assert requests_by(server, 'status="500"') == 0
        assert (exceptions(server), errors(server)) == (0, [])
        # The library keeps one thread, from the first session on, and others for the length of ping_interval.
        until(
            "the sessions leave nothing", lambda: threads_and_sockets(server) <= (before[0] + 1, before[1]), timeout=10
        )


@pytest.mark.parametrize(("how", "lines"), [("fail", 1), ("stop", 0)])
def test_what_fails_on_a_connection_that_was_taken_over_is_logged_and_sends_nothing(
    server: Server, how: str, lines: int
) -> None:
    def told() -> int:
        messages = [line["message"] for line in server.log()]
        return messages.count("Error on a connection that the application has taken over")

    before = told()
    assert exchange(server, f"GET /taken-and-fails?how={how} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) == b"mine"
    assert server.get("/").status == 200
    assert told() == before + lines


def test_an_application_that_interrupts_its_request_ends_that_connection_alone(server: Server) -> None:
    assert exchange(server, b"GET /interrupts HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert server.get("/").status == 200
    assert "Error handling request" in [line["message"] for line in server.log()]


def test_asking_the_socket_does_not_lose_the_answer(server: Server) -> None:
    answer = server.get("/questions")
    assert answer.status == 200
    assert answer.json() == {
        "recv": True, "send": True, "makefile": True, "getpeercert": False,
        "timeout": None, "blocking": True, "writable": True,
        "family": True, "addresses": ["127.0.0.1", "127.0.0.1"], "option": True, "fd": True,
    }  # fmt: skip


def test_the_connection_is_kept_after_questions(server: Server) -> None:
    data = exchange(
        server, b"GET /questions HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert [answer.status for answer in split(data)] == [200, 200]


def test_a_socket_can_not_be_used_after_its_request(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET /keeps HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).endswith(b"kept")
        # The client has its answer a moment before the request is over.
        until("it is over", lambda: any(entry["message"].startswith("GET /keeps 200") for entry in server.log()))
        assert b"is over" in server.get("/uses-it-later").body
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(100)


def test_a_timeout_that_the_application_has_set_does_not_hold_the_loop(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET /taken HTTP/1.1\r\nHost: x\r\n\r\n")
        # Not closed by the client: the loop looks whether anything comes, which must not wait.
        assert client.recv(100) == b"mine"
        assert client.recv(100) == b""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert server.get("/", timeout=10).status == 200


DETACHING = """
import os, time
from pathlib import Path
def app(environ, start_response):
    if environ["PATH_INFO"] == "/take":
        descriptor = environ["gunicorn.socket"].detach()
        os.write(descriptor, b"taken")
        os.close(descriptor)
        while not Path(__file__).with_name("end").exists(): time.sleep(0.02)
        return []
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_a_client_with_the_descriptor_that_an_application_has_closed_is_served(tmp_path: Path) -> None:
    """The end of the request that took the connection over must not be taken for one of the client that has its number
    by now."""
    with serving(tmp_path, **own_application(tmp_path, DETACHING)) as server, ExitStack() as stack:
        taking = stack.enter_context(connect(server))
        # The loop waits for it by now.
        time.sleep(0.2)
        taking.sendall(b"GET /take HTTP/1.1\r\nHost: x\r\n\r\n")
        assert taking.recv(4096) == b"taken"
        others = [stack.enter_context(connect(server)) for _ in range(3)]
        for other in others:
            other.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.3)
        (tmp_path / "end").touch()
        time.sleep(1)
        for other in others:
            other.sendall(b"Host: x\r\n\r\n")
            assert other.recv(4096).endswith(b"ok")
