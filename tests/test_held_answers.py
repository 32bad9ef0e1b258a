"""Small answers wait for a moment, to be sent together; no client waits for another's request."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from nodrop.http.event_loop.held import CALM_SECONDS
from nodrop.http.threads.pool import BLOCKED_SECONDS
from tests.raw import connect, receive_all
from tests.serving_process import Server, at_full_speed, hold, own_application, serving, warm_up

APPLICATION = """
import time
from urllib.parse import parse_qs

class Closing(list):
    seconds = 0.0
    def close(self):
        time.sleep(self.seconds)

def app(environ, start_response):
    began = time.time_ns()
    query = {name: float(values[0]) for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    time.sleep(query.get("before", 0))
    body = Closing([b"%d ok" % began])
    body.seconds = query.get("after", 0)
    write = start_response("200 OK", [("Content-Length", str(len(body[0])))])
    if "fails" in query:
        return failing(body[0])
    if "takes" in query:
        write(body[0])
        environ["gunicorn.socket"].sendall(b" and this")
        return []
    return body

def failing(data):
    yield data
    raise ValueError("after all is sent")
"""
_SO_TIMESTAMPNS = 35
"""Of Linux; Python has no name for it."""
QUICK, LONG = 2.5, 4.0
"""Seconds: what an answer that waits for nobody takes at most, and how long the request behind it takes."""
_REQUEST = b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def ready(tmp_path: Path, threads: str = "8") -> Iterator[tuple[Server, ExitStack]]:
    """A server in which no request has blocked of late; and what closes its clients."""
    setting = own_application(tmp_path, APPLICATION) | {"WEB_THREADS": threads}
    with at_full_speed(), serving(tmp_path, **setting) as server, ExitStack() as stack:
        warm_up(server)
        time.sleep(CALM_SECONDS)
        yield server, stack


def stopped(server: Server) -> int:
    """The worker, which stands still."""
    (worker,) = server.workers()
    # All of the requests before is over: one that is stopped would count as one that blocks.
    time.sleep(0.03)
    hold(worker)
    return worker


def together(server: Server, clients: list[socket.socket], queries: list[str]) -> list[tuple[bytes, float]]:
    """Have the requests wait for the worker together: each answer's body, and the seconds until it was there."""
    worker = stopped(server)
    for client, query in zip(clients, queries, strict=True):
        client.sendall(_REQUEST % query.encode())
    began = time.monotonic()

    def answer(client: socket.socket) -> tuple[bytes, float]:
        received = client.recv(4096)
        return received[-2:], time.monotonic() - began

    with ThreadPoolExecutor(len(clients)) as waiting:
        answers = [waiting.submit(answer, client) for client in clients]
        os.kill(worker, signal.SIGCONT)
        return [each.result() for each in answers]


def connected(server: Server, stack: ExitStack, number: int) -> list[socket.socket]:
    """So many connections that are kept, each after its first request."""
    clients = [stack.enter_context(connect(server)) for _ in range(number)]
    for client in clients:
        client.sendall(_REQUEST % b"")
        assert client.recv(4096).endswith(b"ok")
    return clients


def timed_answer(client: socket.socket) -> tuple[int, int]:
    """When its request began, as the application tells, and when the answer came, as the kernel has noted."""
    data, ((_, _, timestamp),), _, _ = client.recvmsg(4096, 64)
    seconds, nanoseconds = struct.unpack("qq", timestamp)
    return int(data.split()[-2]), seconds * 1_000_000_000 + nanoseconds


def held_back(server: Server, clients: list[socket.socket], request: bytes) -> list[bool]:
    """Whether the answer to the first of two requests that come together has waited until the second one began."""
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    held = []
    for _ in range(10):
        worker = stopped(server)
        for client in clients:
            client.sendall(request)
        os.kill(worker, signal.SIGCONT)
        (_, came), (began, _) = sorted(timed_answer(client) for client in clients)
        held.append(came > began)
    return held


@pytest.mark.alone
def test_an_answer_waits_while_the_next_request_is_run_if_none_has_blocked_of_late(tmp_path: Path) -> None:
    with ready(tmp_path, threads="1") as (server, stack):
        clients = connected(server, stack, 2)
        # Not when the loop finds each by itself.
        assert held_back(server, clients, _REQUEST % b"").count(True) > 5
        server.get(f"/?before={2 * BLOCKED_SECONDS}")
        assert not any(held_back(server, clients, _REQUEST % b""))


@pytest.mark.alone
def test_an_answer_to_a_request_that_may_have_changed_something_never_waits(tmp_path: Path) -> None:
    with ready(tmp_path, threads="1") as (server, stack):
        clients = connected(server, stack, 2)
        assert not any(held_back(server, clients, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))


def test_an_answer_that_was_held_back_arrives_though_the_application_fails_then(tmp_path: Path) -> None:
    with ready(tmp_path) as (server, stack):
        for _ in range(5):
            clients = connected(server, stack, 4)
            answers = together(server, clients, ["fails=1"] * 4)
            assert [body for body, _ in answers] == [b"ok"] * 4


def test_what_the_application_sends_itself_comes_behind_the_answer(tmp_path: Path) -> None:
    with ready(tmp_path) as (server, stack):
        for _ in range(5):
            clients = connected(server, stack, 4)
            worker = stopped(server)
            for client in clients:
                client.sendall(_REQUEST % b"takes=1")
            os.kill(worker, signal.SIGCONT)
            for client in clients:
                received = receive_all(client)
                assert received.startswith(b"HTTP/1.1 200 ")
                assert received.endswith(b" ok and this")


@pytest.mark.parametrize("threads", ["1", "8"])
@pytest.mark.parametrize(
    "blocks", [f"before={LONG}", f"after={LONG}", f"before=0.1&after={LONG}"], ids=["waits", "closes", "both"]
)
def test_no_answer_waits_for_a_request_that_blocks(tmp_path: Path, threads: str, blocks: str) -> None:
    """With one thread there is none that could send them but the main one."""
    with ready(tmp_path, threads=threads) as (server, stack):
        for _ in range(2):
            clients = connected(server, stack, 4)
            answers = together(server, clients, ["", "", blocks, ""])
            assert [body for body, _ in answers] == [b"ok"] * 4
            # Those before it; and all, if its own answer is made and only its end takes long.
            quick = [took for _, took in (answers if "after" in blocks else answers[:2])]
            assert max(quick) < QUICK


@pytest.mark.alone
def test_requests_that_wait_behind_an_answer_on_the_same_connection_are_run(tmp_path: Path) -> None:
    """The loop has nothing else to do then, and no event would wake it before its next tick, a second later."""
    with ready(tmp_path) as (server, stack):
        clients = connected(server, stack, 4)
        for _ in range(20):
            worker = stopped(server)
            for client in clients:
                client.sendall(5 * (_REQUEST % b""))
            began = time.monotonic()
            os.kill(worker, signal.SIGCONT)
            for client in clients:
                received = b""
                while received.count(b" ok") < 5:
                    data = client.recv(65536)
                    assert data
                    received += data
            assert time.monotonic() - began < 0.5


def test_a_connection_that_ends_with_its_answer_gets_all_of_it(tmp_path: Path) -> None:
    with ready(tmp_path) as (server, stack):
        for _ in range(5):
            clients = connected(server, stack, 4)
            answers = together(server, clients, [""] * 4)
            assert [body for body, _ in answers] == [b"ok"] * 4
            worker = stopped(server)
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            os.kill(worker, signal.SIGCONT)
            for client in clients:
                assert receive_all(client).endswith(b" ok")


def test_a_stop_sends_what_was_held_back(tmp_path: Path) -> None:
    with ready(tmp_path) as (server, stack):
        clients = connected(server, stack, 8)
        worker = stopped(server)
        for client in clients:
            client.sendall(_REQUEST % b"")
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        for client in clients:
            assert receive_all(client).endswith(b" ok")
