"""A connection's way out, without a server: what is kept for a slow client, and what when nothing can be kept."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config

from nodrop.http.connection.connection import Connection
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.connection.spool import Budget, BudgetExceeded
from nodrop.http.connection.takeover import TakenOver
from nodrop.http.requests.heads import Heads
from tests.serving_process import until

ANSWER = bytes(range(256)) * 16384  # 4 MiB, more than the kernel keeps for a connection


@dataclass
class Asked:
    """The worker, which only keeps what the connection asks of it."""

    room: list[int] = field(default_factory=list)
    exempt_times: int = 0

    def room_for_body(self, connection: Connection, request: object) -> Budget:  # noqa: ARG002
        return Budget(1 << 20)

    def give_way(self, connection: Connection, exceeded: BudgetExceeded) -> None:  # noqa: ARG002
        raise exceeded

    def send_rest(self, connection: Connection) -> None: ...

    def hold(self, connection: Connection, data: bytes) -> bool:  # noqa: ARG002
        return False

    def make_room(self, connection: Connection, size: int) -> None:  # noqa: ARG002
        self.room.append(size)

    def progressed(self, connection: Connection) -> None: ...

    def exempt(self, connection: Connection) -> None:  # noqa: ARG002
        self.exempt_times += 1


@dataclass
class Pair:
    """A connection and its client. The loop is the test."""

    connection: Connection
    client: socket.socket
    asked: Asked

    def read_all(self, size: int) -> bytes:
        """What the client gets, while the loop flushes."""
        got = b""
        self.client.settimeout(0.05)
        while len(got) < size:
            self.connection.outgoing.flush()
            try:
                got += self.client.recv(1 << 20)
            except TimeoutError:
                continue
        return got


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A connection with little room for answers."""
    server, client = socket.socketpair()
    server.setblocking(False)
    limits = Limits(head=4096, body=4096, write_seconds=1)
    asked = Asked()
    connection = Connection(
        server, ("127.0.0.1", 1), ("127.0.0.1", 2), heads=Heads(Config()), services=asked,
        answers=Budget(16 << 20), limits=limits,
    )  # fmt: skip
    yield Pair(connection, client, asked)
    client.close()
    connection.close()


def in_thread(function: Any, *arguments: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Run it as a thread of the worker would, and keep what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function(*arguments)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_an_answer_that_is_kept_arrives_whole_and_holds_no_thread(pair: Pair) -> None:
    thread, raised = in_thread(pair.connection.sendall, ANSWER)
    thread.join(5)
    assert not thread.is_alive()
    assert pair.connection.behind > 0
    assert pair.read_all(len(ANSWER)) == ANSWER
    assert (raised, pair.connection.behind) == ([], 0)


def test_what_does_not_fit_waits_until_there_is_room(pair: Pair) -> None:
    taken = Budget(64 * 1024)
    taken.take(taken.limit)
    pair.connection.outgoing._kept._budget = taken
    thread, raised = in_thread(pair.connection.sendall, ANSWER)
    until("room is asked for", lambda: len(pair.asked.room) > 1)
    assert thread.is_alive()
    pair.connection.outgoing._kept._budget = Budget(16 << 20)
    assert pair.read_all(len(ANSWER)) == ANSWER
    thread.join(5)
    assert raised == []


def test_a_file_that_becomes_shorter_while_it_is_sent_ends_the_connection(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 100)
    with (tmp_path / "log").open("rb") as file, pytest.raises(ClientGone, match="shorter"):
        pair.connection.outgoing.send_file(file.fileno(), 0, 200)
    assert pair.client.recv(1000) == b"x" * 100


def test_what_the_kernel_can_not_send_as_a_file_is_left_to_the_caller(pair: Pair) -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match=r"Invalid argument|Illegal seek"):
            pair.connection.outgoing.send_file(reading, 0, 10)
    finally:
        os.close(reading)
        os.close(writing)
    assert not pair.connection.broken


def test_a_disk_that_fails_holds_the_thread_and_loses_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    thread, raised = in_thread(pair.connection.sendall, ANSWER)
    got = b""
    pair.client.settimeout(5)
    while len(got) < len(ANSWER):
        got += pair.client.recv(1 << 20)
    thread.join(5)
    assert got == ANSWER
    assert raised == []


def test_a_client_that_takes_nothing_is_given_up_where_nothing_can_be_kept(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(ClientGone, match="takes nothing"):
        pair.connection.sendall(ANSWER)


def test_a_thread_that_waits_for_room_gets_to_know_that_the_client_is_cut_off(pair: Pair) -> None:
    taken = Budget(1)
    pair.connection.outgoing._kept._budget = taken
    thread, raised = in_thread(pair.connection.sendall, ANSWER)
    pair.connection.abort()
    thread.join(5)
    assert [type(error) for error in raised] == [ClientGone]


def test_a_client_that_has_gone_is_an_error_of_its_own(pair: Pair) -> None:
    pair.client.close()
    with pytest.raises(ClientGone):
        pair.connection.sendall(ANSWER)


def test_asking_about_the_socket_does_not_take_it_over(pair: Pair) -> None:
    taken = TakenOver(pair.connection)
    assert not hasattr(taken, "__html__")
    assert taken.getsockname() == pair.connection.sock.getsockname()
    assert not pair.connection.taken_over
    taken.sendall(b"mine")
    taken.sendall(b" now")
    assert pair.client.recv(10) in (b"mine", b"mine now")
    assert (pair.connection.taken_over, pair.asked.exempt_times) == (True, 1)
