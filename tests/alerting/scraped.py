"""A real server under a little of every kind of traffic, and a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerting import prometheus
from tests.alerting.prometheus import Prometheus
from tests.serving_process import Server, own_application, serving, until

APPLICATION = """\
import pathlib, time

import flask

app = flask.Flask(__name__)

@app.get("/")
def index():
    return "hello"

@app.get("/slow")
def slow():
    while not pathlib.Path(__file__).with_name("released").exists():
        time.sleep(0.02)
    return "slow"

@app.get("/fail")
def fail():
    raise RuntimeError("on purpose")
"""
# Samples that a rate needs, and a few more.
SCRAPES = 6


@dataclass(frozen=True)
class Scraped:
    """The server, and the Prometheus that scrapes it every second."""

    server: Server
    prometheus: Prometheus

    def rules(self) -> list[dict[str, Any]]:
        """The rules as Prometheus has them, each evaluated at least once."""
        until("every rule is evaluated", lambda: all(rule["health"] != "unknown" for rule in self._rules()))
        return self._rules()

    def _rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.prometheus.get("rules")["groups"] for rule in group["rules"]]


def _refused(server: Server) -> None:
    """A request that the server refuses."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.recv(1000)


def _too_many(server: Server, stack: ExitStack) -> None:
    """More connections than the server keeps open, so that it closes one."""
    for _ in range(12):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        with contextlib.suppress(OSError):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.recv(1000)


def _waits_too_long(server: Server, folder: Path) -> None:
    """A request that finds the only thread busy, for longer than requests may wait."""
    with ThreadPoolExecutor(1) as beside:
        slow = beside.submit(server.get, "/slow", timeout=60)
        try:
            until("the thread is busy", lambda: server.metrics()["nodrop_threads_busy"] == 1)
            assert server.get("/").status == 503
        finally:
            (folder / "released").touch()
        assert slow.result().status == 200


def _used(server: Server) -> None:
    """Three requests that succeed, one that fails, and one that is refused."""
    for path in ("/", "/", "/", "/fail"):
        server.get(path)
    _refused(server)


@contextmanager
def scraped_server(folder: Path, pod: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[Scraped]:
    """The two, after a few scrapes. pod: what the server's pod is called, in the namespace `shop`."""
    program = prometheus.find("prometheus")
    settings = {"MAX_CONNECTIONS": "10", "WEB_THREADS": "1", "QUEUE_TIMEOUT": "1"}
    with ExitStack() as stack:
        server = stack.enter_context(serving(folder, **own_application(folder, APPLICATION), **settings))
        # Each series is there before the first scrape, so that it has a rate.
        _used(server)
        _waits_too_long(server, folder)
        _too_many(server, stack)
        targets = {server.management_port: {"namespace": "shop", "pod": pod}}
        running = stack.enter_context(prometheus.scraping(program, folder, targets, groups))
        until("the server is scraped", lambda: bool(running.query("up == 1")))
        for _ in range(SCRAPES):
            _used(server)
            time.sleep(1)
        yield Scraped(server, running)
