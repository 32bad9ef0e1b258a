"""The load on a server, in a process of its own on the clients' cores: `python -m bench.clients.load`.

Closed loop: each of a number of connections sends its next request when it has its answer. That measures what a server
can do at most. Open loop: requests are sent when a schedule says so, whether or not those before them are answered. A
latency counts from the scheduled time, so that a server which stands still for a second is slow for every request of
that second, and not for the one alone that found it so (coordinated omission). The times are random, as those of many
independent users are, and the same for every server. As a proxy does, the client keeps a pool of connections: a request
takes an idle one, or opens another.

wrk and its like do not count a request that is never answered, such as those of connections that get no thread. They
also count a connection that is closed between two requests as one that is reset during a request. This client does
neither, and costs some 30 us of CPU time a request.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import select
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench.clients.connection import Connection
from bench.clients.results import Result
from bench.processes import CLIENT_CORES, pin

ROOT = Path(__file__).resolve().parents[2]
POOL = 512
"""Connections that an open loop has at most. With all of them taken, a request waits, and that counts."""
RETRY_SECONDS = 0.01
TIMEOUT_SECONDS = 5.0


def arrivals(rate: float, seconds: float) -> list[float]:
    """When requests are due, in seconds from the start: `rate` a second on average, at random, with a fixed seed."""
    generator, times, at = random.Random(1), [], 0.0
    while (at := at + generator.expovariate(rate)) < seconds:
        times.append(at)
    return times


def percentile(ordered: list[float], share: float) -> float:
    """The value below which `share` of them are; 0 if there are none."""
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


class Load:
    """One run. What it counts is in `ends`, by kind, and in `latencies`, in seconds.

    connections: at most. again: whether an answer makes the next request due, as in a closed loop. timeout: seconds
    that a request may take.
    """

    def __init__(
        self, port: int, request: bytes, *, connections: int, kept: bool, again: bool, seconds: float, timeout: float
    ) -> None:
        self._port = port
        self._request = request
        self._limit = connections
        self._kept = kept
        self._again = again
        self._seconds = seconds
        self._timeout = timeout
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self._waiting: deque[float] = deque()
        self._ends_at = 0.0
        self._next_look = 0.0
        self.ends: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.lateness: list[float] = []

    def run(self, times: list[float]) -> None:
        """Send at these times from now on, and wait for the last answers as long as they may take."""
        gc.disable()
        began = time.perf_counter()
        self._ends_at = began + self._seconds
        self._due = deque(began + at for at in times)
        while self._due or self._waiting or len(self._idle) < len(self._connections):
            now = time.perf_counter()
            while self._due and self._due[0] <= now:
                self.lateness.append(now - self._due[0])
                self._waiting.append(self._due.popleft())
            self._dispatch()
            for descriptor, _ in self._poll.poll(self._may_sleep()):
                if connection := self._connections.get(descriptor):
                    self._handle(connection)
            self._expire(time.perf_counter())

    def _may_sleep(self) -> float:
        """Seconds to wait for an answer: none shortly before a request is due, since epoll counts in milliseconds."""
        gap = self._due[0] - time.perf_counter() if self._due else 0.05
        return 0.0 if self._waiting and self._idle else max(0.0, min(gap - 0.0015, 0.05))

    def _dispatch(self) -> None:
        """Send what is due while there is a connection for it."""
        while self._waiting:
            if self._idle:
                connection = self._idle.popleft()
            elif len(self._connections) < self._limit:
                try:
                    connection = Connection(self._port)
                except OSError:
                    self._waiting.popleft()
                    self._lost("refused")
                    continue
                self._connections[connection.socket.fileno()] = connection
                self._poll.register(connection.socket, select.EPOLLOUT)
            else:
                return
            connection.due = self._waiting.popleft()
            connection.begin(self._request)
            if connection.is_open:
                self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            if not connection.send():
                self._poll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self._end(connection, "reset")

    def _handle(self, connection: Connection) -> None:
        """Something can be read from the connection or written to it."""
        if not connection.is_open:
            try:
                connection.connected()
            except OSError:
                self._end(connection, "refused")
                return
            self._poll.modify(connection.socket, select.EPOLLIN)
            self._send(connection)
            return
        try:
            is_complete = connection.receive()
            if connection.unsent and connection.send():
                self._poll.modify(connection.socket, select.EPOLLIN)
        except OSError:
            # Between requests a server may close a connection: nothing is lost.
            self._end(connection, "closed while idle" if connection.due is None else "reset")
            return
        if is_complete:
            self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        assert connection.due is not None
        now = time.perf_counter()
        if not connection.has_succeeded:
            self.ends["status"] += 1
        elif not self._again or now <= self._ends_at:
            self.latencies.append(now - connection.due)
            self.ends["answered"] += 1
        else:
            self.ends["answered later"] += 1
        connection.due = None
        if not self._kept or connection.is_last:
            self._close(connection)
        else:
            self._idle.append(connection)
        if self._again and now < self._ends_at:
            self._waiting.append(now)

    def _expire(self, now: float) -> None:
        """Give up what has taken too long."""
        if now < self._next_look:
            return
        self._next_look = now + 0.05
        while self._waiting and now - self._waiting[0] > self._timeout:
            self._waiting.popleft()
            self._lost("timeout")
        for connection in list(self._connections.values()):
            if connection.due is not None and now - connection.due > self._timeout:
                self._end(connection, "timeout")

    def _end(self, connection: Connection, how: str) -> None:
        self._close(connection)
        if connection.due is not None:
            self._lost(how)

    def _lost(self, how: str) -> None:
        """A request has no answer. One that took too long is among the latencies, with the longest that it may take."""
        self.ends[how] += 1
        if how == "timeout":
            self.latencies.append(self._timeout)
        now = time.perf_counter()
        if self._again and now < self._ends_at:
            self._due.append(now + RETRY_SECONDS)

    def _close(self, connection: Connection) -> None:
        if connection.due is None and connection in self._idle:
            self._idle.remove(connection)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()

    def result(self) -> Result:
        """What was counted."""
        ordered = sorted(1000 * each for each in self.latencies)
        return Result(
            answered=self.ends["answered"], seconds=self._seconds,
            p50_ms=percentile(ordered, 0.5), p99_ms=percentile(ordered, 0.99), p999_ms=percentile(ordered, 0.999),
            refused=self.ends["refused"], reset=self.ends["reset"], timeout=self.ends["timeout"],
            status=self.ends["status"], longest_ms=ordered[-1] if ordered else 0.0,
            answered_later=self.ends["answered later"],
            late_p99_ms=1000 * percentile(sorted(self.lateness), 0.99),
        )  # fmt: skip


def closed_loop(
    port: int, path: str, *, connections: int, seconds: float, kept: bool = True, upload_bytes: int = 0
) -> Result:
    """As many requests as the server answers in `seconds` to this number of connections."""
    arguments = ["--connections", str(connections), "--upload-bytes", str(upload_bytes)]
    return _run(port, path, arguments, seconds, kept=kept, timeout=TIMEOUT_SECONDS)


def open_loop(
    port: int,
    path: str,
    *,
    rate: float,
    seconds: float,
    connections: int = POOL,
    kept: bool = True,
    timeout: float = TIMEOUT_SECONDS,
    meanwhile: Callable[[], object] = lambda: None,
) -> Result:
    """Send `rate` requests a second for `seconds`. meanwhile: called as the first of them are sent."""
    arguments = ["--rate", str(rate), "--connections", str(connections)]
    return _run(port, path, arguments, seconds, kept=kept, timeout=timeout, meanwhile=meanwhile)


def _run(
    port: int, path: str, arguments: list[str], seconds: float, *, kept: bool, timeout: float,
    meanwhile: Callable[[], object] = lambda: None,
) -> Result:  # fmt: skip
    command = [sys.executable, "-m", "bench.clients.load", str(port), path, *arguments, "--seconds", str(seconds)]
    command += ["--timeout", str(timeout), *([] if kept else ["--new"])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    pin(process, CLIENT_CORES)
    assert process.stdout
    process.stdout.readline()
    meanwhile()
    printed, _ = process.communicate(timeout=seconds + timeout + 30)
    return Result(**json.loads(printed))


def main() -> None:
    """Print `started`, and at the end what was counted, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--rate", type=float, help="requests a second, of an open loop")
    parser.add_argument("--connections", type=int, default=POOL)
    parser.add_argument("--upload-bytes", type=int, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("--new", action="store_true", help="a connection for each request")
    options = parser.parse_args()
    head = f"{'POST' if options.upload_bytes else 'GET'} {options.path} HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {options.upload_bytes}\r\n" if options.upload_bytes else ""
    head += "Connection: close\r\n" if options.new else ""
    load = Load(
        options.port, f"{head}\r\n".encode() + b"x" * options.upload_bytes, connections=options.connections,
        kept=not options.new, again=options.rate is None, seconds=options.seconds, timeout=options.timeout,
    )  # fmt: skip
    times = arrivals(options.rate, options.seconds) if options.rate else [0.0] * options.connections
    print("started", flush=True)
    load.run(times)
    print(json.dumps(asdict(load.result())))


if __name__ == "__main__":
    main()
