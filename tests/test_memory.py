"""The memory that a pod takes: all processes of the server together, by their proportional set size (PSS)."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.management_process import children, runtime_folder, supervisor
from tests.pod_memory import anonymous_mib, family, pod_pss_mib, pss_mib
from tests.serving_process import Server, at_full_speed, own_application, serving, until

IDLE_MIB = 65.0
STREAMS, STREAMS_MIB = 200, 60.0
REQUESTS, SETTLED_AFTER, BATCH = 200_000, 20_000, 50
RESTARTS, RESTARTS_UNTIL_SETTLED = 1_000, 100
FLAT_MIB = 2.0
"""What may be added after it has settled; measured: docs/behaviour.md."""

STREAMING = """
import time, flask
app = flask.Flask(__name__)
@app.get("/")
def index(): return "index"
@app.get("/events")
def events():
    def lines():
        while True:
            yield f"data: {time.time()}\\n\\n"
            time.sleep(0.5)
    return flask.Response(lines(), mimetype="text/event-stream")
"""


@pytest.fixture(autouse=True)
def at_its_usual_size() -> Iterator[None]:
    """Without coverage, which takes memory of its own in each process."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the memory of processes is read from /proc/PID/smaps_rollup, which Linux alone has")
    with at_full_speed():
        yield


def settled_mib(server: Server) -> float:
    """The server's memory once it does nothing more."""
    time.sleep(2)
    return pod_pss_mib(server.process.pid)


def test_an_idle_pod_with_the_example_takes_no_more_than_65_mib(tmp_path: Path) -> None:
    """After its first requests and scrapes, since much is allocated by the first of each."""
    with serving(tmp_path) as server:
        for _ in range(20):
            assert server.get("/").status == 200
            assert server.manage("/readyz").status == 200
        server.metrics()
        taken = settled_mib(server)
        print(f"{taken:.1f} MiB:", *(f"{pss_mib(pid):.1f}" for pid in family(server.process.pid)))
        assert taken <= IDLE_MIB


@contextmanager
def event_streams(port: int, number: int) -> Iterator[list[socket.socket]]:
    """So many open event streams, each of which has answered with its head and an event."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(number)
        ]
        for client in clients:
            client.sendall(b"GET /events HTTP/1.1\r\nHost: shop\r\n\r\n")
        for client in clients:
            received = b""
            while b"data: " not in received:
                received += client.recv(4096)
            assert received.startswith(b"HTTP/1.1 200 ")
        yield clients


def test_200_open_event_streams_take_at_most_60_mib_more(tmp_path: Path) -> None:
    """Each of them is a thread of its own, which has a stack that is only touched as far as it is used."""
    with serving(tmp_path, **own_application(tmp_path, STREAMING)) as server:
        assert server.get("/").status == 200
        server.metrics()
        idle = settled_mib(server)
        with event_streams(server.port, STREAMS) as clients:
            taken = settled_mib(server)
            for client in clients:
                assert b"data: " in client.recv(65536), "it still streams"
            assert server.get("/").status == 200
        print(f"idle {idle:.1f} MiB, with {STREAMS} streams {taken:.1f} MiB")
        assert taken - idle <= STREAMS_MIB


def ask(port: int, number: int) -> None:
    """So many requests on one connection, sent in batches; each must be answered 200."""
    batch = b"GET /?page=1 HTTP/1.1\r\nHost: shop\r\nUser-Agent: memory\r\n\r\n" * BATCH
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for _ in range(number // BATCH):
            client.sendall(batch)
            received = b""
            while received.count(b"HTTP/1.1 200 ") < BATCH or not received.endswith(b"}\n"):
                part = client.recv(1 << 20)
                assert part, received[-1000:]
                received += part


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_memory_is_flat_over_200_000_requests(tmp_path: Path) -> None:
    """With everything on that is by default, and a scrape every second.

    The anonymous memory, and not the PSS, which changes with the number of processes that share a page. The least of
    some, since a scrape takes a few MiB while it is answered.
    """

    def settled_mib() -> float:
        time.sleep(2)
        taken = []
        for _ in range(10):
            taken.append(sum(map(anonymous_mib, family(server.process.pid))))
            time.sleep(0.17)
        return min(taken)

    with serving(tmp_path) as server:
        over = threading.Event()

        def scrape() -> None:
            while not over.wait(1):
                server.manage("/metrics")

        scraper = threading.Thread(target=scrape)
        scraper.start()
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda _: ask(server.port, SETTLED_AFTER // 4), range(4)))
            settled = settled_mib()
            list(clients.map(lambda _: ask(server.port, (REQUESTS - SETTLED_AFTER) // 4), range(4)))
            taken = settled_mib()
        over.set()
        scraper.join()
        print(f"after {SETTLED_AFTER} requests {settled:.2f} MiB, after {REQUESTS} {taken:.2f} MiB")
        assert sum(v for k, v in server.metrics().items() if k.startswith("flask_http_request_total")) >= REQUESTS
        assert taken - settled <= FLAT_MIB


def files_and_bytes(folder: Path) -> tuple[int, int]:
    """The files in the folder and below, and their sizes added up."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def restart_worker(server: Server) -> None:
    """Stop the worker with SIGTERM, and wait until the next one has answered."""
    management = supervisor(server)
    (old,) = (pid for pid in children(server.process.pid) if pid != management)
    os.kill(old, signal.SIGTERM)
    until("it has gone", lambda: old not in children(server.process.pid))
    until("another one is ready", server.is_ready)
    assert server.get("/").status == 200


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_and_files_are_flat_over_1_000_worker_restarts(tmp_path: Path) -> None:
    """Of the processes that stay: the master, which waits for each worker, and those that merge each one's metrics.

    Their anonymous memory, and not their PSS, which changes with the number of processes that share a page.
    """

    def state() -> tuple[float, int, int]:
        # The metrics of the last ones are merged a second later.
        time.sleep(4)
        management = supervisor(server)
        staying = (server.process.pid, management, *children(management))
        return sum(map(anonymous_mib, staying)), *files_and_bytes(folder)

    with serving(tmp_path, ACCESS_LOG="0") as server:
        folder = runtime_folder(server)
        for _ in range(RESTARTS_UNTIL_SETTLED):
            restart_worker(server)
        settled, files, size = state()
        for _ in range(RESTARTS - RESTARTS_UNTIL_SETTLED):
            restart_worker(server)
        taken, files_then, size_then = state()
        print(f"after {RESTARTS_UNTIL_SETTLED} restarts {settled:.2f} MiB, {files} files of {size} bytes")
        print(f"after {RESTARTS} restarts {taken:.2f} MiB, {files_then} files of {size_then} bytes")
        assert server.metrics()["nodrop_worker_starts_total"] == RESTARTS + 1
        assert taken - settled <= FLAT_MIB
        assert files_then == files
        # One of them has a number in it, which gets longer.
        assert abs(size_then - size) < 100
