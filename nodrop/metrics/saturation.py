"""How near the server is to its limits: threads, waiting requests, connections, the kernel's accept queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from nodrop.health.worker_state import WorkerState
from nodrop.system.addresses import BACKLOG, in_proc

_LISTEN = b"0A"


class Saturation:
    """A collector. `address`, `port`: the application's; `proc`: /proc, or what a test has in its place."""

    def __init__(
        self, state: WorkerState, address: str, port: int, *, backlog: int = BACKLOG, proc: Path = Path("/proc")
    ) -> None:
        self._state = state
        self._address = address
        self._port = port
        self._backlog = backlog
        self._proc = proc

    def collect(self) -> Iterator[Metric]:
        """What the workers' files and the kernel say now."""
        workers = self._state.workers()
        now = time.monotonic()
        waiting = [worker.waiting_since for worker in workers if worker.waiting_since]
        begun = [*waiting, *(started for worker in workers for started, _ in worker.requests)]
        yield _gauge("nodrop_workers_ready", "Workers that accept requests", sum(worker.ready for worker in workers))
        yield _gauge(
            "nodrop_threads", "Threads that can run a request, in all workers", sum(w.threads for w in workers)
        )
        yield _gauge("nodrop_threads_busy", "How many of nodrop_threads run a request", sum(w.busy for w in workers))
        yield _gauge(
            "nodrop_streams",
            "Event streams, WebSockets and the like that run in threads of their own, which are not in nodrop_threads",
            sum(len(w.streams) for w in workers),
        )
        yield _gauge(
            "nodrop_streams_limit",
            "As many of these can run: MAX_STREAMS, in all workers",
            sum(w.max_streams for w in workers),
        )
        yield _gauge(
            "nodrop_requests_waiting",
            "Complete requests that are waiting for a thread",
            sum(w.waiting for w in workers),
        )
        yield _gauge("nodrop_connections", "Open connections, idle ones included", sum(w.connections for w in workers))
        yield _gauge(
            "nodrop_oldest_wait_seconds",
            "Time that the request has waited which waits longest for a thread, in seconds",
            _longest(waiting, now),
        )
        yield _gauge(
            "nodrop_oldest_request_seconds",
            "Age of the oldest request, running or waiting, in seconds; what is in nodrop_streams does not count",
            _longest(begun, now),
        )
        length = accept_queue(self._address, self._port, self._proc)
        if length is not None:
            yield _gauge(
                "nodrop_accept_queue_length",
                "Connections that the kernel has established and no worker has accepted",
                length,
            )
            yield _gauge(
                "nodrop_accept_queue_limit",
                "Longest accept queue: the lower of the backlog and net.core.somaxconn",
                self._limit(),
            )

    def _limit(self) -> int:
        try:
            return min(self._backlog, int((self._proc / "sys/net/core/somaxconn").read_text()))
        except OSError:
            return self._backlog


def accept_queue(address: str, port: int, proc: Path = Path("/proc")) -> int | None:
    """Connections in the accept queue of this TCP address and port; None where the kernel does not tell."""
    listener = f"{in_proc(address)}:{port:04X}".encode()
    try:
        # Read a little at a time: listening sockets come first, and to get to the end of the others takes the kernel
        # milliseconds.
        with (proc / "net" / ("tcp6" if ":" in address else "tcp")).open("rb", buffering=256) as file:
            next(file)
            for line in file:
                _, local, _, state, queues = line.split(maxsplit=5)[:5]
                if state != _LISTEN:
                    break
                if local == listener:
                    return int(queues.partition(b":")[2], 16)
    except OSError:
        pass  # Another system, or no IPv6.
    return None


def _longest(since: list[float], now: float) -> float:
    return max((now - each for each in since), default=0.0)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
