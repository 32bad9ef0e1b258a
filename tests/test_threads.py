"""The threads that run requests: who waits for a database does not hold up the others."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pytest

from tests.raw import connect
from tests.serving_process import at_full_speed, own_application, serving

APPLICATION = """
import time
def app(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
WAIT, CLIENTS, SECONDS, SLICE = 0.002, 16, 3, 0.25


@pytest.mark.alone
def test_requests_that_wait_for_a_moment_each_run_beside_each_other(tmp_path: Path) -> None:
    """Each of them is over before anybody could see that it waits. The median of the slices of time counts: one that
    waits for a processor for longer lets the others in for a while."""
    with at_full_speed(), serving(tmp_path, **own_application(tmp_path, APPLICATION), WEB_THREADS="8") as server:
        end = time.monotonic() + SECONDS

        def ask() -> list[float]:
            answered = []
            with connect(server) as client:
                while time.monotonic() < end:
                    client.sendall(b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % str(WAIT).encode())
                    assert client.recv(4096).endswith(b"ok")
                    answered.append(time.monotonic())
            return answered

        with ThreadPoolExecutor(CLIENTS) as clients:
            asked = [clients.submit(ask) for _ in range(CLIENTS)]
            slices = [int((end - each) / SLICE) for client in asked for each in client.result()]
        usual = median(slices.count(each) for each in set(slices)) / SLICE
        print(f"{usual:.0f} requests/s; {1 / WAIT:.0f} at most one after the other")
        assert usual > 2 / WAIT
