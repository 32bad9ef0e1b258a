"""HTTP/1.1 on the wire: what is accepted, what is refused and how, what a connection is good for afterwards."""

import contextlib
import hashlib
import json
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.raw import connect, exchange, receive_all, split
from tests.serving_process import ROOT, Server, serving, until

GET = b"GET /echo?%d HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /echo?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits."""
    limits = {"MAX_BODY_BYTES": "100000", "MAX_HEADER_BYTES": "4096", "BODY_BUFFER_BYTES": "1048576"}
    with serving(tmp_path_factory.mktemp("small"), **limits) as server:
        yield server


# --- One connection, several requests -------------------------------------------------------------------------------


def test_requests_that_are_sent_without_waiting_are_answered_in_order(server: Server) -> None:
    answers = split(exchange(server, b"".join(GET % number for number in range(50)) + LAST))
    assert [list(json.loads(answer.body)["query"]) for answer in answers] == [
        *([str(number)] for number in range(50)),
        ["last"],
    ]


def test_a_request_is_the_same_however_it_is_cut_into_packets(server: Server) -> None:
    body = b'{"a": 1}'
    request = b"POST /echo?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    chunked = (
        b"POST /echo?x=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    )
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request + chunked + LAST:
            client.sendall(bytes([byte]))
        answers = split(receive_all(client))
    assert [json.loads(answer.body)["body"] for answer in answers] == ['{"a": 1}', "abc", ""]


def test_a_body_that_the_application_does_not_read_does_not_become_the_next_request(server: Server) -> None:
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    for framing, sent in (
        (b"Content-Length: %d" % len(body), body),
        (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)),
    ):
        answers = split(
            exchange(server, b"POST /nowhere HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + sent + LAST)
        )
        assert [answer.status for answer in answers] == [404, 200]
    assert not [entry for entry in server.log() if entry.get("url") == "/smuggled"]


def test_a_connection_is_kept_or_closed_as_the_client_asks(server: Server) -> None:
    for request, kept in (
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: TE\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ):
        with connect(server) as client:
            client.sendall(request)
            (answer,) = split(client.recv(65536))
            assert answer.headers["connection"] == ("keep-alive" if kept else "close")
            if kept:
                client.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    client.recv(1)
            else:
                assert client.recv(1) == b""


def test_an_idle_connection_is_closed_after_keep_alive(tmp_path: Path) -> None:
    with serving(tmp_path, KEEP_ALIVE="1") as server, connect(server) as client:
        client.sendall(GET % 1)
        client.recv(65536)
        began = time.monotonic()
        assert client.recv(1) == b""
        assert 0.5 < time.monotonic() - began < 4


def test_a_head_request_has_the_length_and_no_body(server: Server) -> None:
    answers = split(exchange(server, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") + b"")
    assert int(answers[0].headers["content-length"]) > 0
    assert answers[0].body == b""


# --- Bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 8192, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 700_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole(server: Server, size: int, chunked: bool) -> None:
    body = hashlib.shake_128(b"seed").digest(size)
    if chunked:
        parts = [body[at : at + 10_000] for at in range(0, size, 10_000)]
        sent = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        framing = b"Transfer-Encoding: chunked"
    else:
        sent, framing = body, b"Content-Length: %d" % size
    data = exchange(server, b"PUT /echo HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + sent + LAST)
    first, last = split(data)
    assert json.loads(first.body)["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert last.status == 200


def test_a_client_that_waits_to_be_told_to_send_its_body_is_told(server: Server) -> None:
    with connect(server) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        (answer,) = split(receive_all(client))
        assert json.loads(answer.body)["body"] == "abc"


def test_a_client_that_does_not_wait_to_be_told_is_not_told(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    (answer,) = split(exchange(server, head + b"abc"))
    assert (answer.status, json.loads(answer.body)["body"]) == (200, "abc")


def test_a_client_is_not_told_to_send_a_body_that_is_too_large(small: Server) -> None:
    (answer,) = split(
        exchange(small, b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n")
    )
    assert answer.status == 413


def test_bodies_above_the_limit_are_refused_before_they_are_sent(small: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
    for request in (head + b"Content-Length: 100001\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\n186A1\r\n"):
        (answer,) = split(exchange(small, request))
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body)["detail"] == "the body exceeds 100000 bytes"
    (answer,) = split(exchange(small, head + b"Connection: close\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000))
    assert answer.status == 200


def test_bodies_that_would_take_more_room_than_there_is_are_refused_until_there_is_some(tmp_path: Path) -> None:
    limits = {"MAX_BODY_BYTES": "1000000", "BODY_BUFFER_BYTES": "1048576"}
    for framing in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked"):
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing + b"\r\n\r\n"
        size = b"" if b"Length" in framing else b"F4240\r\n"
        end = b"" if b"Length" in framing else b"\r\n0\r\n\r\n"
        with serving(tmp_path, **limits) as server, connect(server) as first, connect(server) as second:
            first.sendall(head + size + b"x" * 600_000)
            until("it has arrived", lambda server=server: spooled(server) >= 600_000)  # type: ignore[misc]
            second.sendall(head + size + b"x" * 600_000)
            # The slower of the two, which may be either: test_uploads.py has more of that.
            answered, _, _ = select.select([first, second], [], [], 10)
            (refused,) = answered
            (answer,) = split(receive_all(refused))
            assert answer.status == 503
            assert "too many bodies" in json.loads(answer.body)["detail"]
            kept = second if refused is first else first
            kept.sendall(b"x" * 400_000 + end)
            assert split(receive_all(kept))[0].status == 200
            assert split(exchange(server, head + size + b"x" * 1_000_000 + end))[0].status == 200
            until("no room is taken", lambda server=server: spooled(server) == 0)  # type: ignore[misc]


def test_the_largest_body_is_accepted_at_the_largest_setting_in_chunks_too(tmp_path: Path) -> None:
    size = 4 * 1024 * 1024
    with serving(tmp_path, MAX_BODY_BYTES="4Mi", BODY_BUFFER_BYTES="4Mi") as server:
        for framed in (1024, 16 * 1024, size):
            parts = [b"x" * framed] * (size // framed)
            assert server.get("/echo", method="POST", body=iter(parts)).status == 200
        assert server.get("/echo", method="POST", body=b"x" * size).status == 200


def spooled(server: Server) -> int:
    """Bytes that the worker has in temporary files."""
    (worker,) = server.workers()
    total = 0
    for file in Path(f"/proc/{worker}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if str(file.readlink()).startswith(f"{tempfile.gettempdir()}/") and " (deleted)" in str(file.readlink()):
                total += file.stat().st_size
    return total


# --- Refused --------------------------------------------------------------------------------------------------------

HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: what\r\n\r\n", 501),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1" + b"0" * 20 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Expect: a-miracle\r\n\r\n", 417),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET /" + b"x" * 5000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 5000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: x\r\n" % n for n in range(200)) + b"\r\n", 431),
    ],
)
def test_what_is_not_a_request_is_refused_with_a_problem_and_the_connection_closed(
    small: Server, request_bytes: bytes, status: int
) -> None:
    (answer,) = split(exchange(small, request_bytes))
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == status
    assert small.get("/").status == 200


# --- The application --------------------------------------------------------------------------------------------------

ODD = """
import urllib.parse
import flask
app = flask.Flask(__name__)
def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises": raise RuntimeError("before the answer")
    if path == "/exits": raise SystemExit(3)
    if path == "/header": start_response("200 OK", [("X-Bad", "a\\r\\nb")]); return [b""]
    if path == "/half":
        start_response("200 OK", [("Content-Type", "text/plain")])
        def parts():
            yield b"first"
            raise RuntimeError("in the middle")
        return parts()
    if path == "/short": start_response("200 OK", [("Content-Length", "10")]); return [b"short"]
    if path == "/framed":
        told = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
        lengths = filter(None, told.get("lengths", "").split("|"))
        start_response(told["status"], [("Content-Length", length) for length in lengths])
        return [b"hello"]
    if path == "/input":
        start_response("200 OK", [])
        return [environ["wsgi.input"].readline(), b"|", *environ["wsgi.input"]]
    start_response("200 OK", [("Content-Length", "2")]); return [b"ok"]
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A WSGI application that does what it should not."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd.py").write_text(ODD)
    with serving(folder, WSGI_APP="odd:wsgi", PYTHONPATH=f"{ROOT}:{folder}", STARTUP_PATH="/up") as server:
        yield server


@pytest.mark.parametrize("path", ["/raises", "/exits", "/header"])
def test_an_application_that_fails_before_it_answers_is_answered_for(odd: Server, path: str) -> None:
    answer = odd.get(path)
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert b"before the answer" not in answer.body
    assert odd.get("/").body == b"ok"
    until("it is logged", lambda: any(path in entry["message"] and "traceback" in entry for entry in odd.log()))


def test_head_of_an_application_that_fails_has_no_body(odd: Server) -> None:
    answer = odd.get("/raises", method="HEAD")
    assert (answer.status, answer.body) == (500, b"")


def test_an_answer_that_breaks_off_does_not_look_whole(odd: Server) -> None:
    data = exchange(odd, b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"first" in data
    assert b"0\r\n\r\n" not in data.partition(b"\r\n\r\n")[2]
    until("it is logged", lambda: any("in the middle" in entry.get("traceback", "") for entry in odd.log()))
    assert odd.get("/").body == b"ok"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("status", "lengths", "said"),
    [
        ("200 OK", "-5", "sent Content-Length: '-5'"),
        ("200 OK", "+5", "sent Content-Length: '+5'"),
        ("200 OK", "0_5", "sent Content-Length: '0_5'"),
        ("200 OK", "5, 5", "sent Content-Length: '5, 5'"),
        ("200 OK", "0x5", "sent Content-Length: '0x5'"),
        ("200 OK", "5|3", "sent Content-Length: '5' and '3'"),
        ("204 No Content", "-5", "sent Content-Length: '-5'"),
        ("100 Continue", "", "answered '100 Continue', which is no final answer"),
        ("101 Switching Protocols", "5", "answered '101 Switching Protocols', which is no final answer"),
        ("103 Early Hints", "", "answered '103 Early Hints', which is no final answer"),
    ],
)
def test_an_answer_whose_end_nobody_could_tell_is_a_500_and_the_log_says_why(
    odd: Server, method: str, status: str, lengths: str, said: str
) -> None:
    query = urlencode({"status": status, "lengths": lengths})
    first = f"{method} /framed?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    data = exchange(odd, first + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    # Closed, so that nothing can be taken for its rest.
    assert data.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in data
    assert b"application/problem+json" in data
    assert data.rstrip().endswith(b"}") == (method == "GET")
    assert odd.get("/").body == b"ok"
    until("it is logged", lambda: any(f"/framed: the application {said}" in entry["message"] for entry in odd.log()))


@pytest.mark.parametrize("lengths", ["5", "5|5", " 5", "005"])
def test_a_length_that_is_told_once_or_twice_the_same_is_one_and_the_next_answer_follows(
    odd: Server, lengths: str
) -> None:
    query = urlencode({"status": "200 OK", "lengths": lengths})
    first = f"GET /framed?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    data = exchange(odd, first + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert data.lower().count(b"content-length:") == 2
    assert [(answer.status, answer.body) for answer in split(data)] == [(200, b"hello"), (200, b"ok")]


def test_the_input_of_the_application_can_be_read_by_lines(odd: Server) -> None:
    chunks = b"5\r\na\nb\nc\r\n2\r\nd\n\r\n0\r\n\r\n"
    for framing, body in ((b"Content-Length: 7", b"a\nb\ncd\n"), (b"Transfer-Encoding: chunked", chunks)):
        data = exchange(odd, b"POST /input HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing + b"\r\n\r\n" + body)
        assert b"".join(data.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]) == b"a\n|b\ncd\n"
