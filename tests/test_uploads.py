"""Uploads that share the room for bodies: slow ones and greedy clients must not keep the others out."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment
from nodrop.http.connection.speed import SHORTEST_SECONDS, Speed
from nodrop.http.connection.spool import Budget, BudgetExceeded
from nodrop.http.connection.stages import Stage
from nodrop.http.event_loop.uploads import Uploads, client_of
from tests.raw import RawAnswer, connect, receive_all, split
from tests.serving_process import Server, own_application, serving, until

# The server compares how fast clients send, which other tests beside it would decide.
pytestmark = [pytest.mark.long, pytest.mark.alone]

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
def tricklers(
    server: Server,
    number: int,
    at_once: int,
    *,
    again: bool = True,
    addresses: Sequence[str] = ("127.0.0.9",),
    head: bytes = TRICKLER,
) -> Iterator[list[socket.socket]]:
    """Clients that send so much of a body at once, and then 2 KiB a second each; those that are refused come again."""
    clients: list[socket.socket] = []
    stop = threading.Event()

    def begin(each: int) -> socket.socket:
        client = client_from(server, addresses[each % len(addresses)])
        # Refused, it may be cut off before it has sent all.
        with contextlib.suppress(ConnectionError):
            client.sendall(head + b"x" * at_once)
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
                        clients[each] = begin(each)

    clients += [begin(each) for each in range(number)]
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


@pytest.mark.parametrize("mib_at_once", [1, 4.75, 4.9])
@pytest.mark.parametrize("addresses", [[f"127.0.1.{number}" for number in range(1, 21)], ["127.0.0.2"]])
def test_uploads_larger_than_what_each_trickling_client_takes_up_succeed(
    tmp_path: Path, mib_at_once: float, addresses: list[str]
) -> None:
    """Twenty of them, each at an address of its own, or all at that of the uploads, with the default settings."""
    head = TRICKLER.replace(b"1000000", b"%d" % (16 << 20))
    default = {"MAX_BODY_BYTES": "16Mi", "BODY_BUFFER_BYTES": "96Mi"}
    burst = int(mib_at_once * (1 << 20))
    with uploads(tmp_path, **default) as server, tricklers(server, 20, burst, addresses=addresses, head=head):
        time.sleep(3)
        assert [upload(server, "127.0.0.2", 12 << 20).status for _ in range(9)] == [200] * 9


def test_uploads_of_one_client_succeed_together_while_others_trickle(tmp_path: Path) -> None:
    """As from an office behind one address: it takes up more than its fair part, and is quick."""
    trickling = [f"127.0.1.{number}" for number in range(1, 21)]
    with uploads(tmp_path) as server, tricklers(server, 20, 100_000, addresses=trickling):
        time.sleep(3)
        with ThreadPoolExecutor(2) as office:
            quick = [office.submit(upload, server, "127.0.0.2", 750_000, seconds=0.5) for _ in range(2)]
            assert [each.result().status for each in quick] == [200, 200]


def test_a_client_with_several_quick_uploads_does_not_push_out_one_on_a_slow_line(tmp_path: Path) -> None:
    with uploads(tmp_path) as server, ThreadPoolExecutor(4) as clients:
        slow = clients.submit(upload, server, "127.0.0.2", 900_000, seconds=4)
        time.sleep(3)
        quick = [clients.submit(upload, server, "127.0.0.9", 700_000, seconds=2) for _ in range(3)]
        assert slow.result().status == 200
        assert sorted(each.result().status for each in quick) == [200, 200, 503]
        (line,) = messages(server, "too many bodies are arriving")
        assert "of its client" in line or "more than its fair part" in line


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:0:0:1%eth0") == "2001:db8::/64"
    assert client_of("2001:db8:0:1::1") != client_of("2001:db8::1")
    assert client_of("::ffff:192.0.2.1") == client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("192.0.2.2") == "192.0.2.2"


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
    # Nothing is known but that it came within the least time.
    assert speed.at(100) == pytest.approx(1_000_000 / SHORTEST_SECONDS, rel=0.05)
    assert speed.at(105) < 10_000
    for tenth in range(1, 200):
        speed.add(100, 100 + tenth / 10)
    assert 900 < speed.at(120) < 1100
    assert speed.at(125) < 10


def test_the_speed_of_a_body_that_has_only_begun_is_that_since_its_beginning() -> None:
    speed = Speed(100)
    for tenth in range(1, 4):
        speed.add(10_000, 100 + tenth / 10)
    assert 100_000 < speed.at(100.3) < 120_000


NOW = 1000.0


@dataclass
class Sending:
    """A connection that sends a body, as far as it is looked at to see who gives way."""

    incoming: Any
    stage: Stage = Stage.BODY
    client: tuple[str] = ("",)
    __hash__ = object.__hash__


def sending(rooms: Uploads, client: str, *parts: tuple[float, int], kept: int = 1 << 20) -> Any:
    """An upload of this client: what came so many seconds ago, from its beginning on, of which so much is kept."""
    speed = Speed(NOW - parts[0][0])
    for seconds, size in parts:
        speed.add(size, NOW - seconds)
    room = rooms.room_of(cast(Any, SimpleNamespace(client=(client,))), None)
    room.take(kept)
    return Sending(SimpleNamespace(kept=kept, room=room, speed=speed))


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """The room for bodies by default, at the time NOW."""
    monkeypatch.setattr("nodrop.http.event_loop.uploads.time", SimpleNamespace(monotonic=lambda: NOW))
    return Uploads(ServingSettings.read(Environment({}))[0], lambda *_: "")


@pytest.mark.parametrize("own", [True, False], ids=["its own share is full", "all is full"])
def test_an_upload_that_has_only_begun_does_not_give_way_to_those_that_trickle(rooms: Uploads, own: bool) -> None:
    """What it has sent by then says nothing: a burst of theirs a second ago would count for more."""
    slow, recent = (sending(rooms, "192.0.2.1", (ago, 5 << 20)) for ago in (1.5, 0.6))
    begun = sending(rooms, "192.0.2.1" if own else "192.0.2.2", (0.01, 64 << 10))
    full = BudgetExceeded(begun.incoming.room if own else rooms.room, 1)
    assert rooms.to_give_way([slow, recent, begun], begun, full)[0] is slow
    also_begun = sending(rooms, "192.0.2.1" if own else "192.0.2.3", (0.01, 32 << 10))
    assert rooms.to_give_way([begun, also_begun], begun, full)[0] is also_begun, "if nothing is known of any, it counts"


def test_a_client_that_takes_up_most_of_the_room_gives_way_with_what_it_has_only_begun(rooms: Uploads) -> None:
    honest = sending(rooms, "192.0.2.1", (5, 1 << 20), (1, 1 << 20), (0.1, 1 << 20))
    greedy = [sending(rooms, "192.0.2.9", (0.01, 256 << 10), kept=12 << 20) for _ in range(5)]
    chosen, why = rooms.to_give_way([honest, *greedy], greedy[-1], BudgetExceeded(rooms.room, 1))
    assert chosen in greedy
    assert "more than its fair part" in why


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
