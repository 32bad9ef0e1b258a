"""Handlers that wait for another service: requests that come together begin together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodrop.http.threads.occupied import ENOUGH_SECONDS, Occupied
from nodrop.http.threads.pool import BLOCKED_SECONDS
from tests.raw import connect
from tests.serving_process import Server, own_application, serving

APPLICATION = """
import time
from flask import Flask
app = Flask(__name__)
@app.get("/")
def wait():
    began = time.monotonic()
    time.sleep(0.05)
    return f"{began:020.9f}"
"""
THREADS, ROUNDS = 8, 20


def test_requests_of_handlers_that_wait_begin_together_once_one_was_seen_to_wait(tmp_path: Path) -> None:
    """Found one by one, the last of eight would begin 35 ms after the first. The best round counts, others may be late
    on a busy machine."""
    barrier = threading.Barrier(THREADS)

    def client(server: Server) -> list[float]:
        began = []
        with connect(server) as connection:
            for _ in range(ROUNDS):
                barrier.wait(timeout=20)
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < 20:
                    answer += connection.recv(4096)
                began.append(float(answer[-20:]))
        return began

    with (
        serving(tmp_path, **own_application(tmp_path, APPLICATION), WEB_THREADS=str(THREADS)) as server,
        ThreadPoolExecutor(THREADS) as clients,
    ):
        rounds = list(zip(*clients.map(client, [server] * THREADS), strict=True))
    assert min(max(each) - min(each) for each in rounds) < (THREADS - 1) * BLOCKED_SECONDS / 2


@pytest.mark.alone
@pytest.mark.parametrize("computes", [False, True])
def test_a_thread_that_waits_is_distinguished_from_one_that_computes(computes: bool) -> None:
    """By the kernel's accounts of the thread, in which time in the queue for a processor is no waiting."""
    done = threading.Event()

    def work() -> None:
        while computes and not done.is_set():
            pass
        done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        occupied = Occupied()
        assert occupied.waits(1, thread) is None
        time.sleep(10 * ENOUGH_SECONDS)
        assert occupied.waits(1, thread) is not computes
    finally:
        done.set()
        thread.join()
