"""Files as answers: the kernel sends them, slow clients hold no thread, and what was sent is what is counted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.raw import connect, exchange, receive_all, split
from tests.serving_process import ROOT, Server, at_full_speed, free_port, own_application, serving, until

MIB = 1024 * 1024
APPLICATION = """
import io, os
from flask import Flask, Response, request, send_file
app = Flask(__name__)
closed = []
@app.get("/")
def index(): return "ok"
@app.get("/file")
def file(): return send_file(request.args["path"], conditional="whole" not in request.args)
@app.get("/memory")
def memory(): return send_file(io.BytesIO(b"m" * 300_000), mimetype="text/plain")
class Reader:
    def read(self, size): return left.pop()
@app.get("/reader")
def reader():
    global left
    left = [b"", b"r" * 1000]
    return in_a_wrapper(Reader())
@app.get("/pipe")
def pipe():
    reading, writing = os.pipe()
    os.write(writing, b"r" * 1000)
    os.close(writing)
    return in_a_wrapper(os.fdopen(reading, "rb"))
def in_a_wrapper(file):
    body = request.environ["wsgi.file_wrapper"](file)
    return Response(body, headers={"Content-Length": "1000"}, direct_passthrough=True)
class Noted(io.FileIO):
    def close(self):
        if not self.closed: closed.append(self.name)
        super().close()
@app.get("/noted")
def noted():
    wrapped = request.environ["wsgi.file_wrapper"](Noted(request.args["path"]))
    return Response(wrapped, headers={"Content-Length": request.args["length"]}, direct_passthrough=True)
class Raw:
    # Under Flask, which answers HEAD without a body by itself.
    def __init__(self, inner): self.inner = inner
    def __call__(self, environ, start):
        if environ["PATH_INFO"] != "/raw": return self.inner(environ, start)
        path, length = environ["QUERY_STRING"].removeprefix("path=").split("&length=")
        start("200 OK", [("Content-Length", length)])
        return environ["wsgi.file_wrapper"](open(path, "rb"))
app.wsgi_app = Raw(app.wsgi_app)
@app.get("/closed")
def what_is_closed(): return {"closed": closed}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files and the application are."""
    folder = tmp_path_factory.mktemp("files")
    for name, size in (("small", 10_000), ("middle", 300_000), ("large", 40 * MIB)):
        (folder / name).write_bytes(b"".join(number.to_bytes(4, "big") for number in range(size // 4)))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One server, with few threads."""
    with serving(folder, **own_application(folder, APPLICATION), WEB_THREADS="2") as server:
        yield server


def ask(path: Path, query: str = "", *headers: str, method: str = "GET", view: str = "/file") -> bytes:
    """A request for the file."""
    lines = [f"{method} {view}?path={path}{query} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def slow_client(server: Server) -> socket.socket:
    """A client whose kernel keeps as little as it can."""
    client = socket.socket()
    client.settimeout(20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    return client


def unnamed_files(server: Server) -> Iterator[int]:
    """The sizes of the worker's temporary files."""
    for file in Path(f"/proc/{server.workers()[-1]}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if str(file.readlink()).endswith(" (deleted)"):
                yield file.stat().st_size


def sizes(server: Server, route: str) -> tuple[float, float]:
    """How many answers of the route were counted, and their bytes."""
    metrics = server.metrics()

    def total(name: str) -> float:
        return sum(value for key, value in metrics.items() if key.startswith(name) and f'route="{route}"' in key)

    return total("flask_http_response_size_bytes_count"), total("flask_http_response_size_bytes_sum")


def access_lines(server: Server, start: str) -> list[dict[str, Any]]:
    """The access lines of URLs that begin so."""
    return [entry for entry in server.log() if entry.get("url", "").startswith(start)]


@pytest.mark.parametrize("name", ["small", "middle", "large"])
@pytest.mark.parametrize("slow", [False, True])
def test_a_file_arrives_whole_and_the_next_answer_behind_it(
    server: Server, folder: Path, name: str, slow: bool
) -> None:
    whole = (folder / name).read_bytes()
    with slow_client(server) if slow else connect(server) as client:
        client.sendall(ask(folder / name) + ask(folder / "small", "", "Connection: close"))
        if slow:
            time.sleep(0.5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        first, second = split(receive_all(client))
    assert (first.status, second.status) == (200, 200)
    assert hashlib.sha256(first.body).digest() == hashlib.sha256(whole).digest()
    assert second.body == (folder / "small").read_bytes()


def test_clients_that_do_not_take_their_files_hold_no_thread_and_no_room(server: Server, folder: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(slow_client(server)) for _ in range(10)]
        for client in clients:
            client.sendall(ask(folder / "large"))
        began = time.monotonic()
        assert server.get("/", timeout=10).status == 200
        assert time.monotonic() - began < 2
        assert max(unnamed_files(server)) < MIB, "nothing is copied"
        until("no thread is busy", lambda: server.metrics()["nodrop_threads_busy"] == 0, timeout=5)


def test_parts_heads_and_unchanged_files_are_answered_as_such(server: Server, folder: Path) -> None:
    whole = (folder / "middle").read_bytes()
    path = folder / "middle"
    (answer,) = split(exchange(server, ask(path, "", "Range: bytes=100000-199999", "Connection: close")))
    assert (answer.status, answer.headers["content-range"]) == (206, "bytes 100000-199999/300000")
    assert answer.body == whole[100_000:200_000]
    (answer,) = split(exchange(server, ask(path, "", "Range: bytes=-10", "Connection: close")))
    assert (answer.status, answer.body) == (206, whole[-10:])
    get = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for head_request in (
        ask(path, method="HEAD"),
        ask(path, "&length=300000", method="HEAD", view="/raw"),
    ):
        head, _, rest = exchange(server, head_request + get).partition(b"\r\n\r\n")
        assert b"Content-Length: 300000" in head
        assert rest.startswith(b"HTTP/1.1 200 OK")
        assert rest.endswith(b"\r\n\r\nok")
    etag = split(exchange(server, ask(path, "", "Connection: close")))[0].headers["etag"]
    (answer,) = split(exchange(server, ask(path, "", f"If-None-Match: {etag}", "Connection: close")))
    assert (answer.status, answer.body) == (304, b"")


def test_what_only_looks_like_a_file_is_sent_too(server: Server) -> None:
    answer = server.get("/memory")
    assert (answer.status, answer.body) == (200, b"m" * 300_000)


@pytest.mark.parametrize("path", ["/reader", "/pipe"])
def test_what_can_be_read_and_nothing_else_is_sent_too(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.body) == (200, b"r" * 1000)


def test_a_file_is_counted_and_logged_by_what_was_sent(folder: Path, tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION)) as server:
        assert len(server.get(f"/file?path={folder / 'large'}").body) == 40 * MIB
        until("it is counted", lambda: sizes(server, "/file") == (1, 40 * MIB), timeout=5)
        until("it is logged", lambda: len(access_lines(server, "/file")) == 1)
        assert access_lines(server, "/file")[0]["bytes"] == 40 * MIB
        with slow_client(server) as client:
            client.sendall(ask(folder / "large", "&aborted=1"))
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.3)
            assert sizes(server, "/file")[0] == 1, "it is not over"
            assert server.metrics()["flask_http_requests_in_flight"] == 1
        until("the other is counted", lambda: sizes(server, "/file")[0] == 2, timeout=5)
        assert 0 < sizes(server, "/file")[1] - 40 * MIB < 20 * MIB
        until("it is logged", lambda: len(access_lines(server, "/file")) == 2)
        assert access_lines(server, "/file")[1]["bytes"] == sizes(server, "/file")[1] - 40 * MIB
        assert server.metrics()["flask_http_requests_in_flight"] == 0


def test_a_file_is_closed_once_it_is_sent_and_not_before(folder: Path, tmp_path: Path) -> None:
    large = folder / "large"
    with serving(tmp_path, **own_application(tmp_path, APPLICATION)) as server, slow_client(server) as client:
        client.sendall(ask(large, f"&length={40 * MIB}", "Connection: close", view="/noted"))
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert server.get("/closed").json() == {"closed": []}
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        assert len(receive_all(client)) > 39 * MIB
        until("it is closed", lambda: server.get("/closed").json() == {"closed": [str(large)]}, timeout=5)


def test_a_file_that_is_shorter_than_its_length_closes_the_connection(folder: Path, tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION)) as server:
        data = exchange(server, ask(folder / "middle", "&length=400000", view="/noted"))
        assert len(data.partition(b"\r\n\r\n")[2]) == 300_000
        assert any("shorter than its Content-Length" in entry["message"] for entry in server.log())


def test_a_stop_waits_for_a_file_that_is_being_taken_and_logs_it(folder: Path, tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION)) as server, slow_client(server) as client:
        client.sendall(ask(folder / "large"))
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        assert len(receive_all(client)) > 39 * MIB
        client.close()
        assert server.process.wait(10) == 0
        assert [line["bytes"] for line in access_lines(server, "/file")] == [40 * MIB]


def cpu_of_downloads(url: str, pid: int, core: int) -> float:
    """CPU time in seconds that the process takes for five downloads of it, to a client on the same core.

    Between two cores each byte costs three times as much, and which it is would be left to chance.
    """
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def download() -> None:
        curl = ["curl", "--silent", "--fail", "--output", "/dev/null", url]
        subprocess.run(curl, check=True, timeout=60, preexec_fn=lambda: os.sched_setaffinity(0, {core}))

    # Once before, since what is loaded at the first request does not count.
    download()
    before = used()
    for _ in range(5):
        download()
    return used() - before


@pytest.mark.alone
def test_a_large_download_costs_no_more_than_with_gunicorns_threads(tmp_path: Path, record_property: Any) -> None:
    path = tmp_path / "download"
    with path.open("wb") as file:
        file.truncate(200 * MIB)
    variables = own_application(tmp_path, APPLICATION)
    port = free_port()
    plain = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--no-control-socket"]
    with ExitStack() as stack:
        stack.enter_context(at_full_speed())
        ours = stack.enter_context(serving(tmp_path, **variables))
        gthread = subprocess.Popen(
            [*plain, "own:app"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(gthread.wait, 10)
        stack.callback(gthread.terminate)
        children = Path(f"/proc/{gthread.pid}/task/{gthread.pid}/children")
        until("gthread has a worker", lambda: listens(port) and bool(children.read_text()))
        worker = int(children.read_text().split()[0])
        theirs = own = 0.0
        core = min(os.sched_getaffinity(0))
        # In turns, since what else the machine does counts for both then.
        for _ in range(10):
            theirs += cpu_of_downloads(f"http://127.0.0.1:{port}/file?path={path}", worker, core)
            own += cpu_of_downloads(f"http://127.0.0.1:{ours.port}/file?path={path}", ours.workers()[-1], core)
    record_property("cpu_seconds_of_fifty_downloads", (own, theirs))
    print(f"CPU time of 50 downloads: {own:.2f} s, with gunicorn's threads {theirs:.2f} s, {own / theirs:.2f} times")
    assert own < 1.2 * theirs


def listens(port: int) -> bool:
    """Whether something accepts connections at this port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
