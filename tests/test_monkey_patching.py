"""Applications that have gevent or eventlet replace Python's blocking calls are served, and keep every log line."""

from __future__ import annotations

import collections
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.raw import receive_all
from tests.serving_process import Server, command, environment, free_port, request, serving, starting, until

pytestmark = pytest.mark.long

APPLICATION = "tests.monkey_patched:app"


@pytest.fixture(scope="module", params=["gevent", "eventlet"])
def library(request: pytest.FixtureRequest) -> str:
    """What replaces the calls."""
    return str(request.param)


@pytest.fixture(scope="module")
def patched(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of such an application, for the tests that do not stop it."""
    with serving(tmp_path_factory.mktemp(library), WSGI_APP=APPLICATION, LIBRARY=library) as server:
        yield server


def messages(server: Server) -> list[str]:
    """What was logged, without what is no JSON: eventlet prints tracebacks of its own if Flask is imported before."""
    return [json.loads(line)["message"] for line in server.log_file.read_text().splitlines() if line.startswith("{")]


def test_as_many_requests_are_answered_at_once_as_there_are_threads(patched: Server) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: patched.get("/sleep?seconds=1").body, range(8)))
    assert answers == [b"slept"] * 8
    assert time.monotonic() - began < 3


def test_what_runs_in_the_background_goes_on_while_nothing_is_asked(patched: Server) -> None:
    before = patched.get("/").json()["beats"]
    # 20 a second, if it is on the processor each time.
    time.sleep(3)
    assert patched.get("/").json()["beats"] >= before + 10


def test_bodies_and_large_answers_arrive_whole_and_slow_clients_hold_nobody_up(patched: Server) -> None:
    assert patched.get("/body", method="POST", body=b"x" * 3_000_000).body == b"3000000"
    assert patched.get("/body", method="POST", body=iter([b"x" * 1000] * 100)).body == b"100000"
    slow = [socket.create_connection(("127.0.0.1", patched.port), timeout=20) for _ in range(12)]
    for client in slow:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    began = time.monotonic()
    assert patched.get("/").status == 200
    assert time.monotonic() - began < 2
    for client in slow:
        assert len(receive_all(client).partition(b"\r\n\r\n")[2]) == 5_000_000
        client.close()


def test_a_line_from_the_event_loop_itself_is_logged(patched: Server) -> None:
    assert patched.get("/callback").body == b"logged"
    until("it is logged", lambda: "from the event loop" in messages(patched), timeout=2)


def test_a_child_process_is_not_a_second_worker(patched: Server) -> None:
    assert patched.get("/terminate").json() == {"alive": True, "code": -15}
    assert patched.is_ready()
    assert not [message for message in messages(patched) if "master is gone" in message]


def test_the_metrics_count_each_request_once(patched: Server) -> None:
    counted = 'flask_http_request_total{method="GET",status="200"}'
    patched.get("/")
    before = patched.metrics()[counted]
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: patched.get("/"), range(40)))
    until("all are counted", lambda: patched.metrics()[counted] == before + 40, timeout=5)


def test_a_request_in_flight_is_finished_when_the_server_stops(library: str, tmp_path: Path) -> None:
    with serving(tmp_path, WSGI_APP=APPLICATION, LIBRARY=library) as server, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.get, "/sleep?seconds=3")
        until("it is in flight", lambda: server.metrics()["flask_http_requests_in_flight"] == 1, timeout=2.5)
        assert server.stop() == 0
        assert answer.result().body == b"slept"
        assert messages(server).count("the last words") == 1


def test_every_line_of_many_requests_at_once_reaches_a_slow_reader(library: str, tmp_path: Path) -> None:
    port, management_port = free_port(), free_port()
    process = subprocess.Popen(
        command(),
        cwd=tmp_path,
        env=environment(
            PORT=str(port), MANAGEMENT_PORT=str(management_port), WSGI_APP=APPLICATION, LIBRARY=library, ACCESS_LOG="no"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    lines: collections.Counter[str] = collections.Counter()

    def read() -> None:
        assert process.stdout
        for number, line in enumerate(process.stdout):
            lines[json.loads(line)["message"]] += 1
            if number % 20 == 0:
                time.sleep(0.01)

    reader = threading.Thread(target=read)
    reader.start()
    try:

        def ready() -> bool:
            try:
                return request(management_port, "/readyz").status == 200
            except OSError:
                return False

        until("ready", ready)
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda number: request(port, f"/log?lines=100&of={number}"), range(16)))
    finally:
        process.terminate()
        assert process.wait(20) == 0
        reader.join()
        assert process.stdout
        process.stdout.close()
    expected = {f"line {number}.{line}": 1 for number in range(16) for line in range(100)}
    assert {message: count for message, count in lines.items() if message.startswith("line")} == expected


def test_gunicorns_own_threads_refuse_such_an_application_in_one_line(library: str, tmp_path: Path) -> None:
    call = {"gevent": "gevent.monkey.patch_all()", "eventlet": "eventlet.monkey_patch()"}[library]
    line = f"the application has called {call}, with which SERVER=gthread answers nothing: unset SERVER"
    variables = {"WSGI_APP": APPLICATION, "LIBRARY": library, "SERVER": "gthread"}
    with starting(tmp_path, **variables) as server:
        assert server.process.wait(20) == 4, "as for any application that can't be loaded"
        text = server.log_file.read_text()
    assert text.splitlines().count(line) == 1
    assert "Traceback" not in text.partition("Booting worker")[2].partition(line)[2]
    check = subprocess.run(
        [command()[0], "-m", "nodrop", "check", "--app"],
        env=environment(**variables), cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (check.returncode, line in check.stderr.splitlines()) == (1, True), check.stderr
