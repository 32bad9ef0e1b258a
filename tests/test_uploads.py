"""Uploads that share the room for bodies: slow ones and greedy clients must not keep the others out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodrop.http.connection.speed import Speed
from nodrop.http.connection.spool import Budget, BudgetExceeded
from tests.raw import RawAnswer, connect, receive_all, split
from tests.serving_process import Server, own_application, serving, until

APPLICATION = """
import time
from flask import Flask, request
app = Flask(__name__)
@app.get("/")
def index(): return "ok"
@app.post("/body")
def body(): return {"bytes": len(request.get_data())}
@app.post("/slow")
def slow():
    time.sleep(4)
    return "slow"
"""
ROOM = {"MAX_BODY_BYTES": "1Mi", "BODY_BUFFER_BYTES": "2Mi"}
TRICKLER = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@contextmanager
def uploads(folder: Path, **variables: str) -> Iterator[Server]:
    """A server with the application above, and room for two of the largest bodies."""
    with serving(folder, **own_application(folder, APPLICATION), **{**ROOM, **variables}) as server:
        yield server


def client_from(server: Server, address: str) -> socket.socket:
    """A connection from this address of the loopback interface."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=20, source_address=(address, 0))


def upload(
    server: Server, address: str, size: int, *, path: str = "/body", seconds: float = 0, head: str = ""
) -> RawAnswer:
    """Upload so many bytes, taking so long, as an honest client does."""
    with client_from(server, address) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n{head}\r\n".encode()
        )
        parts = 20 if seconds else 1
        for _ in range(parts):
            client.sendall(b"x" * (size // parts))
            time.sleep(seconds / parts)
        (answer,) = split(receive_all(client))
        return answer


@contextmanager
def tricklers(server: Server, number: int, at_once: int, *, again: bool = True) -> Iterator[list[socket.socket]]:
    """Clients that send so much of a body at once, and then 2 KiB a second each; those that are refused come again."""
    clients: list[socket.socket] = []
    stop = threading.Event()

    def begin() -> socket.socket:
        client = client_from(server, "127.0.0.9")
        client.sendall(TRICKLER + b"x" * at_once)
        client.setblocking(False)
        return client

    def trickle() -> None:
        while not stop.wait(0.5):
            for each, client in enumerate(clients):
                try:
                    client.send(b"x" * 1024)
                    if client.recv(1):
                        raise ConnectionError("refused")
                except BlockingIOError:
                    continue
                except OSError:
                    if again:
                        client.close()
                        clients[each] = begin()

    clients += [begin() for _ in range(number)]
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield clients
    finally:
        stop.set()
        thread.join()
        for client in clients:
            client.close()


def messages(server: Server, text: str) -> list[str]:
    """The lines of the log that have this text."""
    return [entry["message"] for entry in server.log() if text in entry["message"]]


@pytest.mark.parametrize("at_once", [100_000, 900_000])
def test_twenty_trickling_clients_never_keep_an_upload_from_succeeding(tmp_path: Path, at_once: int) -> None:
    with uploads(tmp_path) as server, tricklers(server, 20, at_once):
        time.sleep(3)
        for _ in range(8):
            assert upload(server, "127.0.0.2", 900_000, seconds=0.5).status == 200
        assert upload(server, "127.0.0.2", 100_000).status == 200
        (line, *_) = messages(server, "this one is the slowest")
        assert "BODY_BUFFER_BYTES" in line


def test_of_the_same_clients_uploads_the_slowest_gives_way_too(tmp_path: Path) -> None:
    """As when a proxy that is not trusted is in front of all."""
    with uploads(tmp_path) as server, tricklers(server, 20, 100_000, again=False):
        time.sleep(3)
        for _ in range(4):
            assert upload(server, "127.0.0.9", 900_000, seconds=0.5).status == 200


def test_the_slowest_is_told_503_and_the_log_says_why(tmp_path: Path) -> None:
    with uploads(tmp_path) as server, connect(server) as slow, connect(server) as quick:
        for client in (slow, quick):
            client.sendall(TRICKLER + b"x" * 600_000)
        time.sleep(3)
        quick.sendall(b"x" * 100_000)
        assert upload(server, "127.0.0.1", 500_000).status == 200
        (answer,) = split(receive_all(slow))
        assert answer.status == 503
        assert b"too many bodies are arriving at once" in answer.body
        quick.sendall(b"x" * 300_000)
        assert quick.recv(100).startswith(b"HTTP/1.1 200 OK")
        (line,) = messages(server, "this one is the slowest")
        # What came three seconds ago hardly counts any more.
        assert 0 < float(line.split()[-2]) < 100


def test_one_client_does_not_get_all_the_room(tmp_path: Path) -> None:
    with uploads(tmp_path) as server, ThreadPoolExecutor(4) as clients:
        # Complete, so that nothing of them can give way.
        greedy = [clients.submit(upload, server, "127.0.0.9", 700_000, path="/slow") for _ in range(2)]
        until("they are there", lambda: server.metrics()["nodrop_threads_busy"] == 2)
        assert upload(server, "127.0.0.9", 300_000).status == 503
        assert upload(server, "127.0.0.2", 300_000).status == 200
        assert [each.result().status for each in greedy] == [200, 200]


def test_behind_a_trusted_proxy_the_room_is_shared_by_those_who_come_through_it(tmp_path: Path) -> None:
    with uploads(tmp_path, TRUSTED_PROXIES="1") as server, ThreadPoolExecutor(4) as clients:
        greedy = [
            clients.submit(upload, server, "127.0.0.1", 700_000, path="/slow", head="X-Forwarded-For: 192.0.2.9\r\n")
            for _ in range(2)
        ]
        until("they are there", lambda: server.metrics()["nodrop_threads_busy"] == 2)
        assert upload(server, "127.0.0.1", 300_000, head="X-Forwarded-For: 192.0.2.9\r\n").status == 503
        assert upload(server, "127.0.0.1", 300_000, head="X-Forwarded-For: 192.0.2.2\r\n").status == 200
        assert [each.result().status for each in greedy] == [200, 200]


def test_an_upload_below_the_least_rate_is_answered_408_and_the_log_names_the_settings(tmp_path: Path) -> None:
    with uploads(tmp_path, READ_TIMEOUT="1", MIN_UPLOAD_RATE="20Ki") as server:
        assert upload(server, "127.0.0.1", 60_000, seconds=1.5).status == 200
        with connect(server) as client:
            client.sendall(TRICKLER)
            began = time.monotonic()
            client.settimeout(0.1)
            while time.monotonic() - began < 10:
                client.sendall(b"x" * 1024)
                try:
                    answer = client.recv(1000)
                    break
                except TimeoutError:
                    continue
            assert answer.startswith(b"HTTP/1.1 408 ")
            # 1 s, and as long again for each 20 KiB, of which a half has come by then.
            assert 1.5 < time.monotonic() - began < 6
        (line,) = messages(server, "did not arrive in time")
        assert line.endswith("READ_TIMEOUT=1, MIN_UPLOAD_RATE=20Ki bytes a second")


def test_the_speed_of_a_body_is_that_of_late() -> None:
    speed = Speed(100)
    assert speed.at(100) == 0
    speed.add(1_000_000, 100)
    assert speed.at(100) == 1_000_000
    for tenth in range(1, 200):
        speed.add(100, 100 + tenth / 10)
    assert 900 < speed.at(120) < 1100
    assert speed.at(125) < 10


def test_a_share_is_a_part_of_the_whole() -> None:
    whole = Budget(100)
    share = Budget(70, whole)
    share.take(60)
    with pytest.raises(BudgetExceeded) as exceeded:
        share.take(20)
    assert exceeded.value.budget is share
    whole.take(35)
    with pytest.raises(BudgetExceeded) as exceeded:
        share.take(10)
    assert exceeded.value.budget is whole
    share.give(60)
    assert (share.used, whole.used) == (0, 35)
