"""What is measured: `PLAN` in the order of one start of a server, and how each workload is run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from bench.clients.load import closed_loop, open_loop
from bench.clients.results import Result
from bench.servers import Running
from tests.test_slow_clients import KINDS

STREAMS = 200
SLOW_OF_EACH_KIND = 16
FAST_RATE = 50.0
"""Requests a second of fast clients beside others: far below what any of the servers can do."""


@dataclass
class Started:
    """A server that has just been started, and the most that it has answered since: what 50 and 80 % are of."""

    server: Running
    maximum: float = 0.0


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    connections: clients at once, or those that are held beside the fast ones. kept: whether connections are used again.
    seconds: of one run. rounds: at most. alone: the server is started for it, because it doesn't outlive it.
    """

    name: str
    title: str
    connections: int
    run: Callable[[Started, Workload], Result]
    kept: bool = True
    seconds: float = 1.0
    rounds: int = 2
    alone: bool = False

    @property
    def key(self) -> tuple[str, int, bool]:
        """What tells it from the others."""
        return self.name, self.connections, self.kept


def closed(path: str, upload_bytes: int = 0) -> Callable[[Started, Workload], Result]:
    """As many as the server answers."""

    def run(started: Started, workload: Workload) -> Result:
        result = closed_loop(
            started.server.port, path, connections=workload.connections, seconds=workload.seconds, kept=workload.kept,
            upload_bytes=upload_bytes,
        )  # fmt: skip
        if workload == HELLO:
            started.maximum = result.rps
        return result

    return run


def at_share(share: float) -> Callable[[Started, Workload], Result]:
    """An open loop at a share of what the same server has just answered at most."""

    def run(started: Started, workload: Workload) -> Result:
        if not started.maximum:
            started.maximum = HELLO.run(started, HELLO).rps
        return open_loop(started.server.port, "/", rate=share * started.maximum, seconds=workload.seconds)

    return run


def mixed(started: Started, workload: Workload) -> Result:
    """Two fast clients beside four that wait for 50 ms each time."""
    port = started.server.port
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(closed_loop, port, "/wait", connections=4, seconds=workload.seconds + 1)
        time.sleep(0.2)
        result = closed_loop(port, "/", connections=2, seconds=workload.seconds)
        waiting.result()
    return result


def fast_beside(opened: Callable[[int], Iterator[socket.socket]]) -> Callable[[Started, Workload], Result]:
    """Fast requests, each on a new connection, while others hold connections of theirs."""

    def run(started: Started, workload: Workload) -> Result:
        port = started.server.port
        with ExitStack() as held:
            for client in opened(port):
                held.enter_context(client)
            return open_loop(port, "/", rate=FAST_RATE, seconds=workload.seconds, kept=workload.kept, timeout=2.0)

    return run


def slow_clients(port: int) -> Iterator[socket.socket]:
    """Slow clients of every kind, from those that send nothing to those that take nothing of a large answer."""
    for kind in KINDS:
        for _ in range(SLOW_OF_EACH_KIND):
            client = socket.create_connection(("127.0.0.1", port), timeout=5)
            # A server may have closed it: what is measured is the fast ones.
            with suppress(OSError):
                kind(client)
            yield client


def streams(port: int) -> Iterator[socket.socket]:
    """Clients that listen to a stream of one event a second."""
    for _ in range(STREAMS):
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield client
    time.sleep(1)


def stopped(started: Started, workload: Workload) -> Result:
    """SIGTERM in the middle of requests that take 50 ms, all of which have to be answered.

    Connections that are refused afterwards don't count: in a cluster, the Service sends none there any more.
    """

    def stop() -> None:
        time.sleep(workload.seconds / 2)
        started.server.process.terminate()

    stopping = threading.Thread(target=stop)
    result = open_loop(
        started.server.port, "/wait", rate=80.0, seconds=workload.seconds, kept=workload.kept, meanwhile=stopping.start
    )
    stopping.join()
    return replace(result, refused=0)


HELLO = Workload("hello", "JSON, 16 connections", 16, closed("/"), seconds=2.0, rounds=3)

PLAN = (
    HELLO,
    Workload("hello at 50 %", "latency at 50 % of its own maximum", 16, at_share(0.5), seconds=3.0, rounds=3),
    Workload("hello at 80 %", "latency at 80 % of its own maximum", 16, at_share(0.8), seconds=3.0, rounds=3),
    Workload("hello", "JSON, 1 connection", 1, closed("/")),
    Workload("hello", "JSON, 128 connections", 128, closed("/")),
    Workload("hello", "JSON, 1,000 connections", 1000, closed("/"), seconds=3.0),
    Workload("hello", "JSON, 16 clients, a connection for each request", 16, closed("/"), kept=False),
    Workload("json", "JSON of 100 KiB", 16, closed("/json")),
    Workload("template", "a template with 50 rows", 16, closed("/template")),
    Workload("compute", "5 ms of CPU time", 16, closed("/compute")),
    Workload("wait", "50 ms of waiting", 16, closed("/wait")),
    Workload("mixed", "2 fast clients beside 4 that wait", 6, mixed),
    Workload("upload", "an upload of 1 MiB", 16, closed("/echo", upload_bytes=1 << 20)),
    Workload("slow clients", "fast requests beside 96 slow clients", SLOW_OF_EACH_KIND * len(KINDS),
             fast_beside(slow_clients), kept=False, seconds=3.0, rounds=1),
    Workload("streams", "fast requests beside 200 event streams", STREAMS, fast_beside(streams),
             kept=False, seconds=3.0, rounds=1),
    Workload("stop", "SIGTERM under load, kept connections", 0, stopped, seconds=2.0, rounds=1, alone=True),
    Workload("stop", "SIGTERM under load, new connections", 0, stopped, kept=False, seconds=2.0, rounds=1, alone=True),
)  # fmt: skip
