"""More requests than threads: who waits in vain is answered or dropped; only a wedged server is not alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.raw import connect, receive_all
from tests.serving_process import Answer, Server, own_application, serving, until

APPLICATION = """
import pathlib, threading, time
from flask import Flask, request, send_file
app = Flask(__name__)
folder = pathlib.Path(__file__).parent
lock = threading.Lock()
@app.get("/")
def index(): return "ok"
@app.get("/slow")
def slow():
    with lock, (folder / "run").open("a") as file: file.write("x")
    time.sleep(float(request.args["seconds"]))
    return "slow"
@app.get("/file")
def file(): return send_file(folder / "large")
@app.get("/stuck")
def waits_until_it_is_freed():
    while not (folder / "free").exists(): time.sleep(0.05)
    return "late"
"""
TIMEOUTS = "nodrop_queue_timeouts_total"
DROPPED = "nodrop_requests_dropped_total"


@contextmanager
def overloaded(folder: Path, **variables: str) -> Iterator[tuple[Server, Callable[[str], Any]]]:
    """A server with the application above, and what sends a request from a thread; all are freed in the end."""
    with (
        serving(folder, **own_application(folder, APPLICATION), **{"GRACEFUL_TIMEOUT": "1", **variables}) as server,
        ThreadPoolExecutor(40) as clients,
    ):
        try:
            yield server, lambda path: clients.submit(server.get, path)
        finally:
            (folder / "free").touch()


def busy(server: Server, number: int) -> None:
    """Wait until so many threads have a request."""
    until(f"{number} threads are busy", lambda: server.metrics()["nodrop_threads_busy"] == number, timeout=10)


def lines(server: Server, text: str) -> list[dict[str, Any]]:
    """The lines of the log that have this text in their message."""
    return [entry for entry in server.log() if text in entry["message"]]


# --- Clients that have gone -------------------------------------------------------------------------------------------


def test_requests_whose_clients_gave_up_while_they_waited_are_dropped_unrun_and_counted(tmp_path: Path) -> None:
    with overloaded(tmp_path) as (server, send):
        slow = [send("/slow?seconds=4") for _ in range(8)]
        busy(server, 8)
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(server)).sendall(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(1)
        # One that is still there is answered, after all of these.
        assert server.get("/").status == 200
        assert [each.result().status for each in slow] == [200] * 8
        assert (tmp_path / "run").read_text() == "x" * 8
        # One thread may still be dropping its request when another has answered the last one.
        until("all are dropped", lambda: server.metrics()[DROPPED] >= 20)
        until("all are logged", lambda: len(lines(server, "GET '/slow' dropped: its client has gone")) >= 20)
        assert server.metrics()[DROPPED] == len(lines(server, "GET '/slow' dropped: its client has gone")) == 20
        assert len([entry for entry in server.log() if entry.get("url", "").startswith("/slow")]) == 8


def test_a_client_that_waits_is_answered_however_late(tmp_path: Path) -> None:
    with overloaded(tmp_path, WEB_THREADS="1") as (server, send):
        waiting = [send("/slow?seconds=0.3") for _ in range(6)]
        assert [each.result().status for each in waiting] == [200] * 6
        assert server.metrics().get(DROPPED, 0) == 0


# --- Requests that waited for too long --------------------------------------------------------------------------------


def refused_in(answer: Answer) -> bool:
    """Whether this is the answer to a request that waited for too long."""
    return (
        answer.status == 503
        and answer.headers["content-type"] == "application/problem+json"
        and answer.json()["title"] == "Service Unavailable"
        and answer.json()["detail"] == "the server is too busy to answer in time"
        and 0 < int(answer.headers["retry-after"]) < 60
        and answer.headers["connection"] == "close"
    )


def test_a_request_that_has_waited_for_the_queue_timeout_is_answered_503_logged_and_counted(tmp_path: Path) -> None:
    with overloaded(tmp_path, WEB_THREADS="2", QUEUE_TIMEOUT="1") as (server, send):
        slow = [send("/slow?seconds=5") for _ in range(2)]
        busy(server, 2)
        began = time.monotonic()
        waiting = [send("/slow?seconds=0") for _ in range(3)]
        assert all(refused_in(each.result()) for each in waiting)
        assert 0.9 < time.monotonic() - began < 3, "with every thread still busy"
        assert not any(each.done() for each in slow)
        assert [each.result().status for each in slow] == [200, 200]
        assert server.get("/").status == 200
        assert (tmp_path / "run").read_text() == "xx", "none of the others is run"
        metrics = server.metrics()
        assert (metrics[TIMEOUTS], metrics['nodrop_requests_refused_total{status="503"}']) == (3, 3)
        assert metrics.get(DROPPED, 0) == 0
        assert sum(entry.get("status") == 503 for entry in server.log()) == 3
        assert len(lines(server, "waited 1 s for a thread (QUEUE_TIMEOUT)")) == 3


def test_a_finished_file_that_waits_for_a_thread_keeps_no_request_from_its_answer_in_time(tmp_path: Path) -> None:
    """What is left to be done after the answer waits in the same queue, but is never too late."""
    with (tmp_path / "large").open("wb") as large:
        large.truncate(50_000_000)
    with overloaded(tmp_path, WEB_THREADS="1", QUEUE_TIMEOUT="1") as (server, send), connect(server) as client:
        client.sendall(b"GET /file HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b"H"
        busy(server, 0)
        send("/stuck")
        busy(server, 1)
        # Only now is the file taken, so that the rest of its request waits for the thread.
        assert len(receive_all(client)) > 50_000_000
        until("it waits", lambda: server.metrics()["nodrop_requests_waiting"] == 1)
        assert all(refused_in(server.get("/")) for _ in range(2))
        (tmp_path / "free").touch()
        until("it is logged", lambda: any(entry.get("url") == "/file" for entry in server.log()), timeout=5)


def test_without_a_queue_timeout_requests_wait_for_as_long_as_it_takes(tmp_path: Path) -> None:
    with overloaded(tmp_path, WEB_THREADS="1", QUEUE_TIMEOUT="0") as (server, send):
        waiting = [send("/slow?seconds=2.5") for _ in range(2)]
        assert [each.result().status for each in waiting] == [200, 200]
        assert server.metrics().get(TIMEOUTS, 0) == 0


def test_those_who_wait_are_measured(tmp_path: Path) -> None:
    with overloaded(tmp_path, WEB_THREADS="2", MAX_STREAMS="7") as (server, send):
        metrics = server.metrics()
        assert (metrics["nodrop_oldest_wait_seconds"], metrics["nodrop_requests_waiting"]) == (0, 0)
        assert (metrics["nodrop_streams"], metrics["nodrop_streams_limit"]) == (0, 7)
        for _ in range(2):
            send("/stuck")
        busy(server, 2)
        send("/")
        until("it has waited", lambda: server.metrics()["nodrop_oldest_wait_seconds"] > 1.4)
        metrics = server.metrics()
        assert 1.4 < metrics["nodrop_oldest_wait_seconds"] < metrics["nodrop_oldest_request_seconds"] < 10
        assert metrics["nodrop_requests_waiting"] == 1


# --- Alive ------------------------------------------------------------------------------------------------------------


def test_a_server_whose_threads_are_all_stuck_while_requests_wait_is_not_alive(tmp_path: Path) -> None:
    """Also when those who wait are turned away before the limit, and others come."""
    with overloaded(tmp_path, WEB_THREADS="2", STALL_TIMEOUT="3", QUEUE_TIMEOUT="1") as (server, send):
        for _ in range(2):
            send("/stuck")
        busy(server, 2)
        began = time.monotonic()
        send("/")
        while (answer := server.manage("/livez")).status == 200:
            assert time.monotonic() - began < 10
            send("/")
            time.sleep(0.2)
        assert time.monotonic() - began > 2.8
        assert answer.body.startswith(b"not alive: no thread has made progress for ")
        assert answer.body.endswith(b" s, and requests wait (STALL_TIMEOUT=3)\n")
        assert server.manage("/readyz").status == 503
        until("both are logged", lambda: len(lines(server, "has made no progress for STALL_TIMEOUT=3 seconds")) == 2)
        for entry in lines(server, "has made no progress"):
            assert "request GET '/stuck'" in entry["message"]
            assert "in waits_until_it_is_freed" in entry["stack"]
        (tmp_path / "free").touch()
        until("it is alive again", lambda: server.manage("/livez").status == 200, timeout=5)


def test_a_server_whose_threads_are_all_stuck_is_alive_while_nobody_waits(tmp_path: Path) -> None:
    with overloaded(tmp_path, WEB_THREADS="2", STALL_TIMEOUT="2") as (server, send):
        for _ in range(2):
            send("/stuck")
        until("both are logged", lambda: len(lines(server, "has made no progress")) == 2, timeout=10)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert (server.manage("/livez").status, server.manage("/readyz").status) == (200, 200)
            time.sleep(0.1)
        assert len(lines(server, "has made no progress")) == 2, "each once"


@pytest.mark.parametrize("stuck", [1, 3])
def test_a_server_with_one_thread_that_goes_on_is_alive_while_requests_wait(tmp_path: Path, stuck: int) -> None:
    limits = {"WEB_THREADS": str(stuck + 1), "STALL_TIMEOUT": "2", "QUEUE_TIMEOUT": "0"}
    with overloaded(tmp_path, **limits) as (server, send):
        for _ in range(stuck):
            send("/stuck")
        busy(server, stuck)
        waiting = [send("/slow?seconds=0.5") for _ in range(14)]
        while not all(each.done() for each in waiting):
            answers = server.manage("/livez"), server.manage("/readyz")
            assert [answer.status for answer in answers] == [200, 200], answers
            time.sleep(0.1)
        assert len(lines(server, "has made no progress")) == stuck
