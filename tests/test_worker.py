"""The worker at its limits: clients that take nothing, applications that break the rules, a stop with a full queue."""

import hashlib
import json
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from nodrop.config.settings import ServingSettings
from nodrop.health import probes as health
from nodrop.health.worker_state import WorkerReport
from tests.raw import assert_answered_at_stop, connect, exchange, receive_all, split
from tests.serving_process import Server, hold, own_application, serving, slow_application, starting, until

APPLICATION = """
import hashlib, socket, time
def text(start, body): start("200 OK", [("Content-Length", str(len(body)))]); return [body]
def refuses(environ, start): raise ConnectionRefusedError("the database is away")
def fails(environ, start): raise OSError("the disk is away")
def stops(environ, start): raise StopIteration
def later(environ, start):
    start("200 OK", [])
    yield b""
    raise ConnectionRefusedError("the database is away")
def strings(environ, start): start("200 OK", []); return ["text"]
def silent(environ, start): return [b"text"]
def short(environ, start): start("200 OK", [("Content-Length", "10")]); return [b"short"]
class Whole(list):
    def close(self): raise RuntimeError("at the close")
def closes(environ, start): return Whole(text(start, b"whole"))
def large(environ, start): return text(start, b"x" * int(environ["QUERY_STRING"]))
def slow(environ, start): time.sleep(float(environ["QUERY_STRING"])); return text(start, b"slow")
def stream(environ, start):
    start("200 OK", [("Content-Length", str(400 * 65536))])
    for number in range(400): yield number.to_bytes(4, "big") * 16384
def reads(environ, start):
    parts = []
    while part := environ["wsgi.input"].read(1000):
        parts.append(part)
        time.sleep(0.5)
    return text(start, hashlib.sha256(b"".join(parts)).hexdigest().encode())
class Filling(list):
    def close(self):
        # What many answers do that nobody reads, to the byte: the answer is out, and nothing more fits.
        # Longer than the kernels' acknowledgements may be late.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        full = 0
        while full < 10:
            try:
                self.sock.send(b"x" * (1 if full else 1000), socket.MSG_DONTWAIT)
                full = min(full, 1)
            except BlockingIOError:
                full += 1
                time.sleep(0.02)
def fills(environ, start):
    answer = Filling(text(start, b"ok"))
    answer.sock = environ["gunicorn.socket"]._connection.sock
    return answer
def echo(environ, start):
    sock = environ["gunicorn.socket"]
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n")
    while (data := sock.recv(100)) != b"bye": sock.sendall(data)
    if environ["QUERY_STRING"] == "stop": raise StopIteration
    return [] if environ["QUERY_STRING"] == "return" else text(start, b"")
PATHS = [refuses, fails, stops, later, strings, silent, short, closes, large, slow, stream, reads, fills, echo]
def app(environ, start):
    for function in PATHS:
        if environ["PATH_INFO"] == "/" + function.__name__: return function(environ, start)
    return text(start, b"ok")
"""
LARGE = b"GET /large?4000000 HTTP/1.1\r\nHost: x\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def raw(folder: Path, **variables: str) -> Iterator[Server]:
    """A server with the application above."""
    with serving(folder, **own_application(folder, APPLICATION), **variables) as server:
        yield server


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the application above, for the tests that do not stop it."""
    with raw(tmp_path_factory.mktemp("odd")) as server:
        yield server


def unread(server: Server) -> socket.socket:
    """A connection whose client's kernel keeps as little as it can."""
    client = socket.socket()
    client.settimeout(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    return client


def logged(server: Server, text: str) -> int:
    """How many lines of the log have this text, in the message or the traceback."""
    return sum(text in entry["message"] + entry.get("traceback", "") for entry in server.log())


def asked(server: Server, path: str) -> int:
    """How many requests for the path were answered, by the access log."""
    return sum(entry.get("url", "").partition("?")[0] == path for entry in server.log())


def errors(server: Server) -> list[str]:
    """What was logged as an error."""
    return [entry["message"] for entry in server.log() if entry["level"] in ("error", "critical")]


def answered_within(server: Server, seconds: float) -> bool:
    """Whether a new client is answered in this time."""
    began = time.monotonic()
    return server.get("/", timeout=10).status == 200 and time.monotonic() - began < seconds


# --- Connections that become something else ---------------------------------------------------------------------------


def test_a_client_that_asks_for_another_protocol_and_takes_nothing_holds_no_thread(tmp_path: Path) -> None:
    with raw(tmp_path, WEB_THREADS="2") as server, unread(server) as first, unread(server) as second:
        first.sendall(LARGE + b"Upgrade: anything\r\n\r\n")
        second.sendall(LARGE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert answered_within(server, 5)


def take_over(server: Server, end: bytes) -> socket.socket:
    """A connection that the application echoes, until it is sent b"bye" and ends in this way."""
    client = connect(server)
    client.sendall(b"GET /echo?%b HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n\r\n" % end)
    assert client.recv(1000).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    return client


def test_an_application_can_take_the_connection_over_for_as_long_as_it_likes(tmp_path: Path) -> None:
    with raw(tmp_path, GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="2") as server, take_over(server, b"stop") as client:
        silent_until = time.monotonic() + 3.5
        while time.monotonic() < silent_until:
            assert server.manage("/livez").status == 200
            time.sleep(0.1)
        for text in (b"a", b"b"):
            client.sendall(text)
            assert client.recv(100) == text
        assert logged(server, "no progress") == 0


@pytest.mark.parametrize("end", [b"stop", b"return", b"answer"])
def test_a_connection_that_was_taken_over_is_closed_when_the_application_is_done(tmp_path: Path, end: bytes) -> None:
    with raw(tmp_path, WEB_THREADS="1") as server, take_over(server, end) as client:
        client.sendall(b"bye")
        assert receive_all(client) == b"", "nothing is added to what the application has sent"
        assert server.get("/").status == 200
        assert errors(server) == []


# --- What follows a refused request -----------------------------------------------------------------------------------


def test_nothing_of_what_follows_a_refused_request_is_run(tmp_path: Path) -> None:
    """Not even while the refusal itself has to wait for the client, behind answers that it has not read."""
    with raw(tmp_path) as server, unread(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"GET /fills HTTP/1.1\r\nHost: x\r\n\r\n")
        until("nothing more fits", lambda: asked(server, "/fills") == 1)
        client.sendall(b"BAD\r\n\r\n")
        until("it is refused", lambda: logged(server, "Invalid request") == 1)
        client.sendall(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(3):
            assert answered_within(server, 5)
        time.sleep(0.2)
        assert asked(server, "/smuggled") == 0
        data = receive_all(client)
        assert b"HTTP/1.1 400 Bad Request\r\n" in data[-1000:]
        assert data.count(b"HTTP/1.1 ") == 2
        assert asked(server, "/smuggled") == 0


def test_a_bad_request_closes_the_connection_that_good_ones_have_kept(odd: Server) -> None:
    answers = split(exchange(odd, GET + b"BAD\r\n\r\n" + GET))
    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [
        (200, "keep-alive"),
        (400, "close"),
    ]


# --- Stopping ---------------------------------------------------------------------------------------------------------


def reset(server: Server) -> None:
    """A client that has connected and is gone before it is accepted."""
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(("workers", "gone"), [(1, 0), (1, 4), (2, 0)])
def test_a_stop_with_a_full_queue_answers_all_of_it(tmp_path: Path, workers: int, gone: int) -> None:
    with raw(tmp_path, WEB_CONCURRENCY=str(workers)) as server, ExitStack() as stack:
        until("all are there", lambda: len(server.workers()) == workers)
        until("all are ready", lambda: b"ready: %d " % workers in server.manage("/readyz").body)
        # The master is held too, which would start others.
        held = [server.process.pid, *server.workers()]
        for process in held:
            hold(process)
        stack.callback(os.kill, server.process.pid, signal.SIGCONT)
        for _ in range(gone):
            reset(server)
        clients = [stack.enter_context(connect(server)) for _ in range(100)]
        for client in clients:
            client.sendall(GET)
        time.sleep(1.5)
        for process in held[1:]:
            os.kill(process, signal.SIGTERM)
            os.kill(process, signal.SIGCONT)
        for client in clients:
            assert_answered_at_stop(client, GET)
            assert client.recv(1) == b"", "one answer for each request"


@pytest.mark.alone
def test_a_kept_connection_is_still_answered_a_second_after_the_stop_began(tmp_path: Path) -> None:
    with raw(tmp_path) as server, connect(server) as client:
        client.sendall(GET)
        assert split(client.recv(65536))[0].headers["connection"] == "keep-alive"
        server.process.terminate()
        time.sleep(1)
        client.sendall(GET)
        (answer,) = split(receive_all(client))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(3) == 0


def test_what_has_not_arrived_when_the_grace_period_ends_is_named(tmp_path: Path) -> None:
    with raw(tmp_path, GRACEFUL_TIMEOUT="1") as server, connect(server) as body, connect(server) as head:
        body.sendall(
            b"PUT /upload?token=secret HTTP/1.1\r\nHost: x\r\nX-Request-ID: upload-1\r\nContent-Length: 9\r\n\r\nhalf"
        )
        head.sendall(b"GET /half")
        assert server.get("/").status == 200
        assert server.stop() == 0
        cut = [entry for entry in server.log() if "cut off before it had arrived" in entry["message"]]
        (upload,) = [entry["message"] for entry in cut if entry.get("request_id") == "upload-1"]
        assert upload == "request PUT '/upload' cut off before it had arrived: GRACEFUL_TIMEOUT=1 is over"
        assert any("a request of 127.0.0.1, cut off in its head" in entry["message"] for entry in server.log())


def test_what_is_closed_to_make_room_or_for_lack_of_interest_is_counted(tmp_path: Path) -> None:
    limits = {"MAX_CONNECTIONS": "10", "WRITE_TIMEOUT": "1"}
    with raw(tmp_path, **limits) as server, ExitStack() as stack:
        stack.enter_context(unread(server)).sendall(LARGE + b"\r\n")
        closed = "nodrop_connections_closed_total"
        reason = closed + '{reason="write_timeout"}'
        until("the one that takes nothing is cut off", lambda: server.metrics().get(reason) == 1, timeout=10)
        for _ in range(13):
            stack.enter_context(connect(server))
        until("there was no room", lambda: server.metrics().get(closed + '{reason="made_room"}') == 3, timeout=5)


# --- Patience ---------------------------------------------------------------------------------------------------------


def test_slow_readers_that_hold_every_connection_do_not_lock_a_new_client_out(tmp_path: Path) -> None:
    with raw(tmp_path, MAX_CONNECTIONS="10") as server, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(unread(server)).sendall(LARGE + b"\r\n")
        until("all wait for their clients", lambda: asked(server, "/large") == 10)
        # There is room again from the next tick on.
        assert answered_within(server, 3)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits a second for its clients."""
    with raw(tmp_path_factory.mktemp("hasty"), READ_TIMEOUT="1", WRITE_TIMEOUT="1") as server:
        yield server


def test_a_body_that_keeps_coming_may_take_longer_than_the_read_timeout(hasty: Server) -> None:
    with connect(hasty) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 15360\r\n\r\n")
        for _ in range(30):
            client.sendall(b"x" * 512)
            time.sleep(0.12)
        (answer,) = split(receive_all(client))
        assert answer.status == 200


def test_a_body_of_which_much_came_at_once_has_no_time_in_advance(hasty: Server) -> None:
    with connect(hasty) as client:
        began = time.monotonic()
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 900_000)
        (answer,) = split(receive_all(client))
        assert answer.status == 408
        assert 0.9 < time.monotonic() - began < 4


def test_an_application_may_take_longer_than_the_client_may(hasty: Server) -> None:
    assert hasty.get("/slow?3").body == b"slow"


def test_a_client_that_keeps_reading_may_take_longer_than_the_write_timeout(hasty: Server) -> None:
    with unread(hasty) as client:
        client.sendall(b"GET /large?10000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        began, received = time.monotonic(), 0
        while data := client.recv(65536):
            received += len(data)
            # As much as it should have by now, at 3 MB a second.
            time.sleep(max(0.0, began + received / 3e6 - time.monotonic()))
        assert time.monotonic() - began > 3
        assert received > 10_000_000


STREAM = b"".join(number.to_bytes(4, "big") * 16384 for number in range(400))


def test_a_stream_that_its_client_does_not_take_gives_its_thread_back(tmp_path: Path) -> None:
    with raw(tmp_path, WEB_THREADS="1", WRITE_TIMEOUT="1") as server, unread(server) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answered_within(server, 5)
        until("it is logged", lambda: any(" behind: " in entry["message"] for entry in server.log()))
        (line,) = [entry["message"] for entry in server.log() if " behind: " in entry["message"]]
        assert line.endswith("it has taken nothing for WRITE_TIMEOUT=1 seconds")
        assert int(line.split(", ")[1].split()[0]) > 10_000_000


def test_a_stream_whose_client_pauses_arrives_whole(tmp_path: Path) -> None:
    with raw(tmp_path, WEB_THREADS="1", WRITE_TIMEOUT="5") as server, unread(server) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        (worker,) = server.workers()
        until("as much waits as may", lambda: largest_file(worker) > 15_000_000)
        time.sleep(0.5)
        assert asked(server, "/stream") == 0, "the thread does not wait"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        head, _, body = receive_all(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert hashlib.sha256(body).digest() == hashlib.sha256(STREAM).digest()


def largest_file(worker: int) -> int:
    """Bytes of the largest temporary file of the worker."""
    sizes = [0]
    for file in Path(f"/proc/{worker}/fd").iterdir():
        try:
            if "flask-app-" in str(file.readlink()) or " (deleted)" in str(file.readlink()):
                sizes.append(file.stat().st_size)
        except FileNotFoundError:
            continue
    return max(sizes)


# --- Applications that break the rules --------------------------------------------------------------------------------


def test_what_follows_an_answer_that_is_too_short_is_not_taken_for_its_rest(odd: Server) -> None:
    data = exchange(odd, b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    assert data.count(b"HTTP/1.1 ") == 1
    assert data.endswith(b"\r\n\r\nshort")
    until("it is logged", lambda: logged(odd, "the answer ended 5 bytes before its Content-Length") > 0)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/refuses", "ConnectionRefusedError: the database is away"),
        ("/fails", "OSError: the disk is away"),
        ("/stops", "StopIteration"),
        ("/later", "ConnectionRefusedError: the database is away"),
        ("/strings", "TypeError"),
        ("/silent", "has not called start_response"),
    ],
)
def test_an_application_that_gives_no_answer_is_answered_for(odd: Server, path: str, reason: str) -> None:
    (answer,) = split(exchange(odd, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()))
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert json.loads(answer.body)["status"] == 500

    def told() -> bool:
        return any(path in entry["message"] and reason in entry.get("traceback", "") for entry in odd.log())

    until("it is logged", told, timeout=3)
    assert odd.get("/").body == b"ok"


def test_an_error_after_the_whole_answer_leaves_it_whole(odd: Server) -> None:
    answers = split(
        exchange(odd, b"GET /closes HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    )
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"whole"), (200, b"ok")]
    until("it is logged", lambda: logged(odd, "at the close") > 0, timeout=3)


# --- Bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_body_in_chunks_of_a_byte_each_is_refused_at_once(odd: Server) -> None:
    began = time.monotonic()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    (answer,) = split(exchange(odd, head + b"1\r\nx\r\n" * 200_000))
    assert answer.status == 400
    assert time.monotonic() - began < 1


def test_a_body_that_is_compressed_on_its_way_is_refused(odd: Server) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    (answer,) = split(exchange(odd, head + b"3\r\nabc\r\n0\r\n\r\n"))
    assert (answer.status, answer.headers["connection"]) == (501, "close")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_application_that_reads_its_body_slowly_is_alive(tmp_path: Path, chunked: bool) -> None:
    body = bytes(range(250)) * 24
    with raw(tmp_path, GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="2") as server, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.get, "/reads", method="POST", body=[body] if chunked else body)
        while not answer.done():
            assert server.manage("/livez").status == 200
            time.sleep(0.1)
        assert answer.result().body == hashlib.sha256(body).hexdigest().encode()
        assert errors(server) == []


# --- The process ------------------------------------------------------------------------------------------------------


def test_a_worker_whose_loop_stands_still_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("workers", "checks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "started").touch()
    report = WorkerReport(tmp_path / "workers", os.getpid(), 1)
    report.set_ready(True)
    report.set_load(0, 0)
    told = health.Health(tmp_path, ServingSettings.from_environment())
    turned = time.monotonic()
    for seconds, status in ((0, 200), (9, 200), (11, 503)):
        monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda at=turned + seconds: at))
        assert told.readiness()[0] == status
        assert told.liveness()[0] == 200
    assert told.readiness()[1] == "not ready: every worker is stopping, gone or standing still"
    # The master replaces it; should it not, the server is not alive.
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: turned + 11 + 121))
    assert told.liveness()[0] == 503


def cpu_seconds(process: int) -> float:
    """The CPU time that the process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_without_file_descriptors_waits_for_some(tmp_path: Path) -> None:
    with raw(tmp_path) as server, connect(server) as kept, ExitStack() as stack:
        (worker,) = server.workers()
        kept.sendall(GET)
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 OK")
        open_files = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        _, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (open_files + 5, hard))
        clients = [stack.enter_context(connect(server)) for _ in range(20)]
        until("there are none left", lambda: logged(server, "can't accept a connection") > 0)
        used, warned = cpu_seconds(worker), logged(server, "can't accept a connection")
        time.sleep(1.5)
        assert cpu_seconds(worker) - used < 0.3
        assert logged(server, "can't accept a connection") - warned <= 3
        kept.sendall(GET)
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 OK")
        # As connections end, those that wait have their turn.
        for client in clients[:19]:
            client.close()
        clients[19].sendall(GET)
        assert clients[19].recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert answered_within(server, 2)
        assert server.workers() == [worker]


def test_without_a_stall_timeout_a_request_may_take_as_long_as_it_likes(tmp_path: Path) -> None:
    with (
        raw(tmp_path, GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="0") as server,
        ThreadPoolExecutor(1) as clients,
    ):
        slow = clients.submit(server.get, "/slow?3.5")
        while not slow.done():
            assert server.manage("/livez").status == 200
            assert server.is_ready()
            time.sleep(0.1)
        assert slow.result().body == b"slow"
        assert errors(server) == []


def test_a_stall_is_logged_once_a_request(tmp_path: Path) -> None:
    with raw(tmp_path, GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="2") as server, ThreadPoolExecutor(2) as clients:
        stuck = [clients.submit(server.get, f"/slow?{seconds}") for seconds in (4.3, 4.3)]
        assert [each.result().body for each in stuck] == [b"slow", b"slow"]
        assert logged(server, "has made no progress for STALL_TIMEOUT=2 seconds") == 2
        until("alive again", lambda: server.manage("/livez").status == 200, timeout=2)


def test_an_application_that_fails_its_first_request_has_not_started(tmp_path: Path) -> None:
    with starting(tmp_path, **own_application(tmp_path, APPLICATION), STARTUP_PATH="/fails") as server:
        until("it was asked twice", lambda: asked(server, "/fails") >= 2)
        assert server.manage("/startupz").body == b"not started: the first request, GET /fails, was answered 500\n"
        assert server.manage("/startupz").status == 503
        assert not server.is_ready()


def test_a_server_whose_worker_is_replaced_late_is_alive_all_the_while(tmp_path: Path) -> None:
    variables = slow_application(tmp_path, 0.7)
    # Far longer than a busy machine takes to start the worker that replaces it.
    with serving(tmp_path, **variables, GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="6") as server:
        since = time.monotonic()
        until("it is up for longer than a stall may last", lambda: time.monotonic() - since > 6.2)
        os.kill(server.workers()[0], signal.SIGKILL)
        until("not ready", lambda: not server.is_ready(), timeout=1)
        alive: list[int] = []

        def ready_again() -> bool:
            alive.append(server.manage("/livez").status)
            return server.is_ready()

        until("ready again", ready_again)
        assert set(alive) == {200}
        assert len(alive) > 5
