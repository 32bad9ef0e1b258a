"""The loop of the management port, turn by turn: what it does when there are no descriptors, and who waits for whom."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

import pytest

from nodrop.management.parsing import Request
from nodrop.management.responses import Response, line
from nodrop.management.server import PAUSE_SECONDS, Server, Waker, listen
from tests.raw import RawAnswer, split

PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 4 * 1024 * 1024


def respond(request: Request, reply: Callable[[Response], None]) -> None:
    """Answer at once: with more than buffers hold where that is asked for."""
    large = request.path == "/large"
    reply(Response(HTTPStatus.OK, b"x" * LARGE, {}) if large else line(HTTPStatus.OK, "ok"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(listen("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def server(listener: socket.socket) -> Iterator[Server]:
    server = Server(listener, respond=respond, forget=lambda _: None)
    yield server
    # It serves until its process ends.
    for connection in list(server._connections):
        server._close(connection)
    server._selector.close()


@contextmanager
def connected(listener: socket.socket, data: bytes) -> Iterator[socket.socket]:
    """A client that has sent this."""
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        client.sendall(data)
        yield client


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_a_descriptor_and_a_connection_to_close_it_sleeps_and_then_answers(
    listener: socket.socket, server: Server
) -> None:
    with connected(listener, PROBE) as client:
        with no_descriptor_left():
            server.turn()
            began = time.monotonic()
            server.turn()
            assert time.monotonic() - began > PAUSE_SECONDS / 2, "the connection that waits does not wake it"
        server.turn()
        assert split(client.recv(1000))[0].status == 200


def test_without_a_descriptor_the_oldest_connection_makes_room(listener: socket.socket, server: Server) -> None:
    with connected(listener, PROBE[:-2]) as oldest:
        server.turn()
        with connected(listener, PROBE) as newest:
            with no_descriptor_left():
                server.turn()
            assert oldest.recv(1000) == b""
            assert split(newest.recv(1000))[0].status == 200


def test_what_one_client_sends_at_once_is_answered_without_waiting_and_others_come_in_between(
    listener: socket.socket, server: Server
) -> None:
    with connected(listener, PROBE * 4) as client, connected(listener, PROBE) as other:
        client.setblocking(False)
        began = time.monotonic()
        server.turn()
        assert split(other.recv(1000))[0].status == 200
        data = client.recv(10_000)
        assert len(split(data)) < 4
        while len(split(data)) < 4:
            server.turn()
            data += client.recv(10_000)
        assert time.monotonic() - began < 1


def test_an_answer_that_is_taken_slowly_is_sent_in_parts_and_the_next_behind_it(
    listener: socket.socket, server: Server
) -> None:
    request = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    answers: list[RawAnswer] = []
    waker = Waker()
    server.call_on(waker, lambda: None)

    def read(client: socket.socket) -> None:
        client.sendall(request[9:] + PROBE)
        data = b""
        while not data.endswith(b"ok\n"):
            data += client.recv(16 * 1024)
        answers.extend(split(data))
        waker.wake()

    with connected(listener, request[:9]) as client:
        server.turn()
        reader = threading.Thread(target=read, args=(client,))
        reader.start()
        while not answers:
            server.turn()
        reader.join()
    assert [(answer.status, len(answer.body)) for answer in answers] == [(200, LARGE), (200, 3)]
