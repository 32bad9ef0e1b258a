"""Slow clients of every kind: they must not keep fast ones waiting."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.serving_process import ROOT, Server, at_full_speed, serving, tcp_table, until

CLIENTS = 100
FAST_SECONDS = 4.0
BIG = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2]) + 1_000_000
"""Bytes of a large answer: more than the kernel keeps for a connection. It lets the sender's buffer grow as
acknowledgements come, on loopback from 3 MB to the last of these numbers (4 MiB if nobody sets it)."""


def application(folder: Path) -> dict[str, str]:
    """The variables of an application that also has a large answer."""
    (folder / "large.py").write_text(
        f"from app import create_app\napp = create_app()\n@app.get('/large')\ndef large(): return b'x' * {BIG}\n"
    )
    return {"WSGI_APP": "large:app", "PYTHONPATH": f"{ROOT}:{folder}", "BODY_BUFFER_BYTES": str(2 * CLIENTS * BIG)}


def idle(client: socket.socket) -> None:
    """Sends nothing."""


def slow_head(client: socket.socket) -> None:
    """Has sent a part of the head."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")


def slow_body(client: socket.socket) -> None:
    """Has sent a part of the body."""
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b"x" * 100_000)


def slow_chunks(client: socket.socket) -> None:
    """Has sent some chunks of the body."""
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 10)


def slow_reader(client: socket.socket) -> None:
    """Asks for a large answer and takes nothing of it."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")


def never_closes(client: socket.socket) -> None:
    """Asks for the connection to be closed and leaves it open on its own side."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


# Twice the threads. Making a hundred large answers would be a second's honest work, whoever asks for them.
SLOW_READERS = 16
KINDS = [idle, slow_head, slow_body, slow_chunks, slow_reader, never_closes]


@contextmanager
def slow_clients(port: int, kind: Callable[[socket.socket], None], number: int) -> Iterator[list[socket.socket]]:
    """`number` connections of this kind, each of which sends one more byte every half second where it sends at all."""
    clients = []
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port))
        client.settimeout(20)
        kind(client)
        clients.append(client)
    stop = threading.Event()

    def drip() -> None:
        while kind in (slow_head, slow_body) and not stop.wait(0.5):
            for client in clients:
                client.send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield clients
    finally:
        stop.set()
        dripping.join()
        for client in clients:
            client.close()


def slowest_answer(server: Server, seconds: float) -> tuple[int, float]:
    """Two fast clients, one request after the other, each on a new connection: how many, and the slowest."""

    def client(_: int) -> list[float]:
        times = []
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.monotonic()
            assert server.get("/").status == 200
            times.append(time.monotonic() - began)
        return times

    with ThreadPoolExecutor(2) as clients:
        times = [each for client_times in clients.map(client, range(2)) for each in client_times]
    return len(times), max(times)


@pytest.mark.alone
@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_do_not_keep_fast_ones_waiting(
    tmp_path: Path, kind: Callable[[socket.socket], None], record_property: Callable[[str, object], None]
) -> None:
    with at_full_speed(), serving(tmp_path, **application(tmp_path)) as server, ThreadPoolExecutor(1) as fast:
        # From before the slow ones come until long after.
        measured = fast.submit(slowest_answer, server, FAST_SECONDS)
        with slow_clients(server.port, kind, SLOW_READERS if kind is slow_reader else CLIENTS):
            number, slowest = measured.result()
    record_property("slowest_answer_ms", round(slowest * 1000))
    assert number > 50
    assert slowest < 1


@pytest.mark.alone
def test_all_kinds_at_once_do_not_either(tmp_path: Path) -> None:
    with at_full_speed(), serving(tmp_path, **application(tmp_path)) as server, ThreadPoolExecutor(1) as fast:
        measured = fast.submit(slowest_answer, server, FAST_SECONDS)
        with (
            slow_clients(server.port, idle, CLIENTS),
            slow_clients(server.port, slow_head, CLIENTS),
            slow_clients(server.port, slow_body, CLIENTS),
        ):
            number, slowest = measured.result()
    assert number > 50
    assert slowest < 1


def test_a_slow_body_arrives_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 40
    with serving(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 1024):
            client.sendall(body[at : at + 1024])
            time.sleep(0.05)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b'"body_bytes":10240' in answer


def test_an_answer_that_is_read_late_arrives_whole(tmp_path: Path) -> None:
    with serving(tmp_path, **application(tmp_path)) as server, socket.socket() as client:
        client.settimeout(20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        until("the thread is done with it", lambda: any(entry.get("url") == "/large" for entry in server.log()))
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b"x" * BIG


def test_a_request_that_does_not_arrive_in_time_is_answered_408(tmp_path: Path) -> None:
    with serving(tmp_path, READ_TIMEOUT="1") as server:
        for kind in (slow_head, slow_chunks):
            with slow_clients(server.port, kind, 1) as (client,):
                assert client.recv(65536).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        with slow_clients(server.port, idle, 1) as (client,):
            assert client.recv(65536) == b"", "nothing was asked, so nothing is answered"


def test_a_client_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    with (
        serving(tmp_path, **application(tmp_path), WRITE_TIMEOUT="1") as server,
        slow_clients(server.port, slow_reader, 1),
    ):
        until("it was answered", lambda: any(entry.get("url") == "/large" for entry in server.log()))
        until("it is gone", lambda: open_connections(server) == 0, timeout=10)


def open_connections(server: Server) -> int:
    """Connections that the server still has, by the kernel's tables: those of IPv4 and of sockets of both families."""
    established = {"01", "08"}  # ESTABLISHED and CLOSE_WAIT
    return sum(fields[1].endswith(f":{server.port:04X}") and fields[3] in established for fields in tcp_table())


def test_above_its_limit_the_connection_that_has_been_idle_longest_makes_room(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path, MAX_CONNECTIONS="20"))
        # It would be one too many, and is not closed for a client as long as a thread has it.
        until("the first request's connection is gone", lambda: open_connections(server) == 0)
        clients = stack.enter_context(slow_clients(server.port, idle, 20))
        until("they are all there", lambda: open_connections(server) == 20)
        assert server.get("/").status == 200
        assert clients[0].recv(1) == b""
        clients[19].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[19].recv(100).startswith(b"HTTP/1.1 200 OK")
