"""A stop under traffic, as Kubernetes does it: the endpoint is removed, the server serves on, SIGTERM comes.

Two clients send at a constant rate all the while, one on a new connection each time, one on connections it keeps. Like
a Service, they open new connections to where the endpoint leads now, and kept ones stay where they are. Every request
is recorded. Three mutants, each without one of the things that make a stop graceful, must lose some.
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import pytest

import prober
from check import EchoCheck
from connection import Connection
from harness.measuring.records import parse
from prober import Record
from resolver import Where
from tests.raw import assert_answered_at_stop, connect
from tests.serving_process import ROOT, Server, at_full_speed, hold, serving, until
from traffic import KINDS
from traffic import Traffic as Requests

RATE = 300.0
PRE_STOP_SECONDS = 0.5
HELD = 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Service:
    """Where new connections lead."""

    port: int


class Client(prober.Prober):
    """A prober whose new connections go where the Service leads."""

    def __init__(self, service: Service, path: str, *, rate: float, kind: str, results: Path) -> None:
        results.mkdir()
        super().__init__(
            (socket.AF_INET, ("127.0.0.1", service.port)),
            Requests(KINDS[kind], authority="service", path=path, run=kind),
            EchoCheck(kind),
            rate=rate,
            timeout=5,
            results=results,
        )
        self.service = service

    def connect(self, where: Where) -> Connection:  # noqa: ARG002
        """A new connection, to where the Service leads by now."""
        return super().connect((socket.AF_INET, ("127.0.0.1", self.service.port)))


@dataclass
class Traffic:
    """What the clients saw, once they have ended."""

    records: dict[str, list[Record]] = field(default_factory=dict)

    def failed(self) -> dict[str, int]:
        """Failed requests by class of error."""
        errors = [record.error for records in self.records.values() for record in records if record.error]
        return {error: errors.count(error) for error in errors}

    def answered_by(self, host: str, since: float = 0.0) -> int:
        """How many requests `host` answered that were sent at `since`, in seconds since the epoch, or later."""
        return sum(r.host == host and r.sent >= since for records in self.records.values() for r in records)


@contextmanager
def traffic(service: Service, folder: Path, *, path: str = "/echo", rate: float = RATE) -> Iterator[Traffic]:
    """Send from now until the end of the block, and wait for the answers."""
    seen = Traffic()
    clients = {
        kind: Client(service, path, rate=rate, kind=kind, results=folder / kind) for kind in ("new", "keep-alive")
    }
    threads = [threading.Thread(target=lambda c=client: c.run(60)) for client in clients.values()]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        for client in clients.values():
            (client.results / "stop").touch()
        for thread in threads:
            thread.join()
    for name, client in clients.items():
        seen.records[name] = parse((client.results / "records.jsonl").read_text(), client.due)
        late = max(record.sent - record.scheduled for record in seen.records[name])
        assert late < 1, f"invalid: the {name} client was {late:.2f} s behind its schedule"


def stop_under_traffic(
    folder: Path,
    stop: Callable[[Service, Server, Server], None],
    *,
    path: str = "/echo",
    rate: float = RATE,
    **variables: str,
) -> tuple[Traffic, float]:
    """Traffic to one server, which `stop` replaces by another: what was seen, and when the stop began."""
    with (
        at_full_speed(),
        serving(folder, HOSTNAME="first", LOAD_ENDPOINTS="1", **variables) as first,
        serving(folder, HOSTNAME="second", LOAD_ENDPOINTS="1", **variables) as second,
    ):
        service = Service(first.port)
        with traffic(service, folder, path=path, rate=rate) as seen:
            time.sleep(1.5)
            began = time.time()
            stop(service, first, second)
            assert first.process.wait(30) == 0
            time.sleep(1)
    return seen, began


def as_kubernetes_does(service: Service, first: Server, second: Server) -> None:
    """Remove the endpoint, serve on, SIGTERM."""
    service.port = second.port
    time.sleep(PRE_STOP_SECONDS)
    first.process.terminate()


def refuses(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def without_pre_stop(service: Service, first: Server, second: Server) -> None:
    """SIGTERM at the same time as the endpoint's removal, which takes a moment to reach every node."""
    first.process.terminate()
    # On a busy machine the server may take longer to hear of it than the endpoint's removal takes.
    until("it accepts nothing any more", lambda: refuses(first.port))
    # Long enough for requests to be sent even if the clients are off the processor for much of it.
    time.sleep(3)
    service.port = second.port


def ask(held: list[HTTPConnection]) -> list[tuple[str, str]]:
    """One request on each connection: which host answered, and what it said of the connection."""
    answers = []
    for connection in held:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.status == 200
        answers.append((json.loads(response.read())["host"], response.getheader("Connection", "")))
    return answers


@pytest.mark.alone
def test_no_request_is_lost(tmp_path: Path) -> None:
    while_it_serves, while_it_stops = [], []

    def stop(service: Service, first: Server, second: Server) -> None:
        # Beside the clients' own, which they give up for new ones when the machine holds them up.
        held = [HTTPConnection("127.0.0.1", first.port, timeout=10) for _ in range(HELD)]
        while_it_serves.extend(ask(held))
        as_kubernetes_does(service, first, second)
        until("it accepts nothing any more", lambda: refuses(first.port))
        # Kept connections are to be kept for a while yet, for what is on its way.
        time.sleep(1.5)
        while_it_stops.extend(ask(held))

    seen, began = stop_under_traffic(tmp_path, stop)
    assert seen.failed() == {}
    assert while_it_serves == [("first", "keep-alive")] * HELD
    assert while_it_stops == [("first", "close")] * HELD
    assert seen.answered_by("second", since=began) > 500
    assert {name: len(records) > 800 for name, records in seen.records.items()} == {"new": True, "keep-alive": True}


def test_mutant_without_the_pre_stop_delay_loses_requests(tmp_path: Path) -> None:
    seen, _ = stop_under_traffic(tmp_path, without_pre_stop, rate=100)
    assert seen.failed().get("refused", 0) > 20


def test_no_request_in_flight_is_lost(tmp_path: Path) -> None:
    """Requests that take longer than the delay."""
    seen, began = stop_under_traffic(
        tmp_path, as_kubernetes_does, path="/sleep?ms=1500", rate=15, WEB_THREADS="64", GRACEFUL_TIMEOUT="10"
    )
    assert seen.failed() == {}
    assert seen.answered_by("first", since=began - 1) > 10


def test_mutant_with_a_graceful_timeout_below_a_request_loses_requests(tmp_path: Path) -> None:
    seen, _ = stop_under_traffic(
        tmp_path, as_kubernetes_does, path="/sleep?ms=3000", rate=15, WEB_THREADS="64", GRACEFUL_TIMEOUT="1"
    )
    assert sum(seen.failed().values()) > 10


def test_mutant_that_stops_at_once_loses_requests(tmp_path: Path) -> None:
    """SIGQUIT in place of SIGTERM, as a STOPSIGNAL or a shell in between may have it."""

    def quit_at_once(service: Service, first: Server, second: Server) -> None:
        service.port = second.port
        time.sleep(PRE_STOP_SECONDS)
        first.process.send_signal(signal.SIGQUIT)

    seen, _ = stop_under_traffic(tmp_path, quit_at_once, path="/sleep?ms=1500", rate=15, WEB_THREADS="64")
    assert sum(seen.failed().values()) > 10


# --- What takes longer ----------------------------------------------------------------------------------------------


def streaming(folder: Path) -> dict[str, str]:
    """The variables of an application whose answer comes in twenty parts over four seconds."""
    (folder / "streaming.py").write_text(
        "import time, flask\n"
        "app = flask.Flask(__name__)\n"
        "@app.get('/stream')\n"
        "def stream(): return flask.Response(time.sleep(0.2) or b'part %02d\\n' % n for n in range(20))\n"
    )
    return {"WSGI_APP": "streaming:app", "PYTHONPATH": f"{ROOT}:{folder}"}


def in_flight(server: Server) -> float:
    """Requests that the application is answering."""
    found = server.metrics()
    # A stream gives its place among the threads to others; gunicorn's own knows none.
    return found["nodrop_threads_busy"] + found.get("nodrop_streams", 0)


def test_a_long_stream_is_finished(tmp_path: Path) -> None:
    with serving(tmp_path, **streaming(tmp_path)) as server, ThreadPoolExecutor(1) as clients:
        stream = clients.submit(server.get, "/stream")
        until("it is in flight", lambda: in_flight(server) == 1)
        assert server.stop() == 0
        assert stream.result().body == b"".join(b"part %02d\n" % number for number in range(20))


def test_a_request_longer_than_the_graceful_timeout_is_cut_off_with_a_line_that_says_so(tmp_path: Path) -> None:
    variables = {**streaming(tmp_path), "GRACEFUL_TIMEOUT": "1"}
    with serving(tmp_path, **variables) as server, ThreadPoolExecutor(1) as clients:
        stream = clients.submit(server.get, "/stream")
        until("it is in flight", lambda: in_flight(server) == 1)
        assert server.stop() == 0
        assert stream.exception() is not None
        (line,) = [entry for entry in server.log() if "cut off" in entry["message"]]
        assert line["level"] == "error"
        assert line["message"].startswith("request GET '/stream' cut off after ")
        assert line["message"].endswith("since GRACEFUL_TIMEOUT=1 is over")


@pytest.mark.parametrize("worker_class", ["nodrop", "gthread"])
def test_whoever_has_connected_when_the_signal_comes_is_answered(tmp_path: Path, worker_class: str) -> None:
    """Connections that the kernel has taken and the server has not; gunicorn's own threads would reset them."""
    with serving(tmp_path, SERVER=worker_class) as server, ExitStack() as stack:
        (worker,) = server.workers()
        # The worker is held, and the master too, which would replace it.
        hold(server.process.pid)
        stack.callback(server.process.send_signal, signal.SIGCONT)
        hold(worker)
        clients = [stack.enter_context(connect(server)) for _ in range(20)]
        for client in clients:
            client.sendall(GET)
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)

        def end(client: socket.socket) -> None:
            assert_answered_at_stop(client, GET)
            client.close()

        # Each at its own pace, as clients are: gunicorn's loop waits for each that it has told to close, for 2 s.
        with ThreadPoolExecutor(len(clients)) as ends:
            list(ends.map(end, clients))


@pytest.mark.parametrize("worker_class", ["nodrop", "gthread"])
def test_nothing_new_is_accepted_while_it_stops(tmp_path: Path, worker_class: str) -> None:
    with serving(tmp_path, **streaming(tmp_path), SERVER=worker_class) as server, ThreadPoolExecutor(1) as clients:
        stream = clients.submit(server.get, "/stream")
        until("it is in flight", lambda: in_flight(server) == 1)
        server.process.terminate()
        until("connections are refused", lambda: refused(server))
        assert not stream.done()
        assert stream.result().status == 200


def refused(server: Server) -> bool:
    """Whether a new connection is refused."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False
