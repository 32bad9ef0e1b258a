"""Requests' bodies that cost more than they are worth: tiny chunks, bodies that nobody reads or that are refused."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.raw import connect, exchange, receive_all, split
from tests.serving_process import Server, at_full_speed, own_application, serving, until

MIB = 1024 * 1024
APPLICATION = """
from flask import Flask, request
app = Flask(__name__)
@app.route("/", methods=["GET", "POST"])
def index(): return "ok"
@app.post("/unread")
def unread(): return "ignored"
@app.post("/first")
def first(): return request.stream.read(10)
@app.post("/body")
def body(): return {"bytes": len(request.get_data())}
"""
CHUNKED = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, without coverage, which would be most of what is measured."""
    folder = tmp_path_factory.mktemp("bodies")
    with at_full_speed(), serving(folder, **own_application(folder, APPLICATION)) as server:
        yield server


def cpu_seconds(server: Server) -> float:
    """CPU time that the worker has used."""
    fields = Path(f"/proc/{server.workers()[-1]}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.alone
def test_many_tiny_chunks_are_refused_before_they_cost_much(server: Server) -> None:
    used = cpu_seconds(server)
    (answer,) = split(exchange(server, CHUNKED + b"6\r\nabcdef\r\n" * 300_000 + b"0\r\n\r\n"))
    assert answer.status == 400
    assert b"too many small chunks: they have to carry 256 bytes on average" in answer.body
    assert cpu_seconds(server) - used < 0.3


@pytest.mark.alone
def test_as_many_small_chunks_as_are_accepted_do_not_keep_another_client_waiting(server: Server) -> None:
    """The bodies that cost most: a mean of 256 bytes at MAX_BODY_BYTES, and FREE_CHUNKS of a byte."""
    mean = b"100\r\n" + b"x" * 256 + b"\r\n"
    waits = []
    for body in (mean * 60_000, b"6\r\nabcdef\r\n" * 16_000):
        with ThreadPoolExecutor(1) as clients:
            answered = clients.submit(exchange, server, CHUNKED + body + b"0\r\n\r\n")
            while not answered.done():
                began = time.monotonic()
                assert server.get("/").status == 200
                waits.append(time.monotonic() - began)
            assert split(answered.result())[0].status == 200
    assert max(waits) < 0.5


@pytest.mark.alone
@pytest.mark.parametrize("path", [b"/unread", b"/first"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_nobody_reads_costs_nothing_after_the_answer(server: Server, path: bytes, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % (16 * MIB)
    body = b"x" * (16 * MIB)
    with connect(server) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\n" % path + framing)
        client.sendall(b"1000000\r\n" + body + b"\r\n0\r\n\r\n" if chunked else body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        used = cpu_seconds(server)
        time.sleep(1.2)
        assert cpu_seconds(server) - used < 0.05
        # What follows is the next request all the same.
        client.sendall(GET)
        (answer,) = split(receive_all(client))
        assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 40000\r\n\r\n" + b"x" * 40000, b"Transfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n"],
)
def test_what_follows_an_unread_body_at_once_is_the_next_request(server: Server, body: bytes) -> None:
    answers = split(exchange(server, b"POST /first HTTP/1.1\r\nHost: x\r\n" + body + GET))
    assert [(answer.status, answer.body[:2]) for answer in answers] == [(200, b"xx"), (200, b"ok")]


def send_slowly(client: socket.socket, seconds: float) -> int:
    """Send as a client does that reads nothing before it is done; how many bytes. Raises when the server has closed."""
    sent, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        client.sendall(b"x" * 50_000)
        sent += 50_000
        time.sleep(0.05)
    return sent


def test_a_refused_upload_that_goes_on_for_long_still_gets_its_413(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n")
        used = cpu_seconds(server)
        assert send_slowly(client, 30) > 10 * MIB
        assert cpu_seconds(server) - used < 1
        client.shutdown(socket.SHUT_WR)
        (answer,) = split(receive_all(client))
        assert answer.status == 413


def test_a_refused_upload_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    """By what has come, which takes less time to show than by time."""
    with (
        at_full_speed(),
        serving(tmp_path, **own_application(tmp_path, APPLICATION)) as server,
        connect(server) as client,
    ):
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 1200:
                client.sendall(b"x" * MIB)
                sent += 1
        assert 900 < sent < 1200


@pytest.mark.alone
def test_a_client_that_goes_on_sending_does_not_hold_the_stop(tmp_path: Path) -> None:
    with (
        serving(tmp_path, **own_application(tmp_path, APPLICATION), GRACEFUL_TIMEOUT="20") as server,
        connect(server) as client,
    ):
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n")
        until("it is refused", lambda: any("Invalid request" in entry["message"] for entry in server.log()))
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(0.1):
                try:
                    client.sendall(b"x" * 1000)
                except OSError:
                    return

        sender = threading.Thread(target=go_on)
        sender.start()
        began = time.monotonic()
        try:
            assert server.stop() == 0
            assert time.monotonic() - began < 6
        finally:
            stop.set()
            sender.join()
