"""Child processes of the application change nothing that the worker reports, and have nothing that is the worker's."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodrop.system.children import sockets_at
from tests.raw import exchange, receive_all
from tests.serving_process import Server, at_full_speed, is_held, serving, until

APPLICATION = "tests.forking:app"
STUCK = "stuck.txt"
"""What tests/forking.py calls the file in which a child that hangs says where."""


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the application that forks, for the tests that do not stop it."""
    with serving(tmp_path_factory.mktemp("forking"), WSGI_APP=APPLICATION, STALL_TIMEOUT="60") as server:
        yield server


@pytest.fixture(autouse=True)
def goes_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the server is ready, alive, and has the worker that it had before."""
    yield
    if "forking" in request.fixturenames:
        server: Server = request.getfixturevalue("forking")
        assert server.is_ready()
        assert server.manage("/livez").status == 200
        assert len(server.workers()) == 1
        assert server.get("/").body == b"ok"
        assert (server.log_file.parent / STUCK).read_text() == "", "a child hangs"


@pytest.mark.parametrize("after", [0, 0.3])
def test_a_child_that_is_terminated_ends_and_the_worker_does_not(forking: Server, after: float) -> None:
    assert forking.get(f"/terminate?after={after}").json() == {"alive": False, "code": -signal.SIGTERM}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGABRT"])
def test_a_child_ends_by_any_signal_that_the_worker_has_a_handler_for(forking: Server, name: str) -> None:
    began = time.monotonic()
    assert forking.get(f"/signal?name={name}").json() == {"code": -signal.Signals[name]}
    assert time.monotonic() - began < 4


def test_a_pool_can_be_used_again_and_again(forking: Server) -> None:
    for _ in range(12):
        assert forking.get("/pool", timeout=10).json() == {"result": [1, 2, 3]}


def test_spawned_children_work(forking: Server) -> None:
    assert forking.get("/spawn").json() == {"result": [1]}


@pytest.mark.parametrize(
    ("way", "code"),
    [("return", 0), ("exit", 3), ("exit%20with%20a%20text", 1), ("raise", 1), ("interrupt", -signal.SIGINT)],
)
def test_a_child_that_comes_back_is_ended_and_the_client_gets_one_answer(forking: Server, way: str, code: int) -> None:
    before = access_lines(forking)
    request = f"GET /come-back?way={way}&where=body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = exchange(forking, request.encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.partition(b"\r\n\r\n")[2] == f"1\r\na\r\n{len(str(code))}\r\n{code}\r\n0\r\n\r\n".encode()
    # The worker writes its own after the client has the answer; a child would have written one before.
    until("it is logged", lambda: access_lines(forking) > before)
    assert access_lines(forking) == before + 1


def access_lines(server: Server) -> int:
    """The requests of children that come back which are in the log."""
    return sum(line.get("route") == "/come-back" for line in server.log())


def test_a_child_that_returns_from_its_view_is_ended_with_a_line_that_says_so(forking: Server) -> None:
    assert forking.get("/come-back?way=return&where=view").json() == {"code": 0}
    assert forking.get("/come-back?way=exit&where=view").json() == {"code": 3}
    told = [line["message"] for line in forking.log() if "has returned from GET '/come-back'" in line["message"]]
    assert told
    assert "let it end itself with os._exit()" in told[0]


def test_children_that_are_forked_while_other_threads_are_busy_find_no_lock_held(tmp_path: Path) -> None:
    """Each passes through the worker's metrics, body and log on its way back; one that hung would be waited for."""
    paths = ["/come-back?way=return&where=view", "/come-back?way=return&where=body", "/", "/log", "/count"]
    # Coverage has a lock that a fork copies as it is: a child would wait for it when it saves what was measured.
    with at_full_speed(), serving(tmp_path, WSGI_APP=APPLICATION) as server, ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda number: server.get(paths[number % 5], timeout=15).status, range(600)))
        assert (tmp_path / STUCK).read_text() == ""
    assert set(answers) == {200}


def test_a_child_may_have_children_of_its_own(forking: Server) -> None:
    assert forking.get("/grandchild").json() == {"code": 7}


def test_the_sockets_of_a_port_are_found_and_no_others() -> None:
    unix, datagram = socket.socket(socket.AF_UNIX), socket.socket(type=socket.SOCK_DGRAM)
    with unix, datagram, socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        datagram.bind(address)
        assert sockets_at([address, "/a/unix/socket"]) == {listener.fileno()}


def test_a_child_that_is_forked_in_a_thread_of_the_application_ends_with_it(forking: Server) -> None:
    assert forking.get("/thread").json() == {"code": 0}


def test_a_child_has_no_socket_of_the_worker_and_a_program_none_of_its_files(forking: Server) -> None:
    with socket.create_connection(("127.0.0.1", forking.port)):
        found = forking.get("/open").json()
    assert not [name for name in found["forked"] if name.startswith(("socket:", "anon_inode:")) or "/lock" in name]
    assert not [name for name in found["executed"] if name.startswith(("socket:", "anon_inode:", "/dev/shm/"))]
    assert "/dev/null" not in found["executed"]


def test_what_the_application_counts_in_children_is_added_up_and_a_request_counts_once(forking: Server) -> None:
    counted = 'flask_http_request_total{method="GET",status="200"}'
    forking.get("/")
    until("the metrics are there", lambda: counted in forking.metrics())
    before = forking.metrics()
    assert forking.get("/count").body == b"counted"
    forking.get("/")

    def added(name: str) -> float:
        return forking.metrics()[name] - before.get(name, 0)

    until("all is added up", lambda: added("counted_total") == 6)
    until("the requests are counted", lambda: added(counted) == 2)
    assert forking.metrics()["flask_http_requests_in_flight"] == 0


def test_what_a_child_logs_is_a_line_of_the_log(forking: Server) -> None:
    def told() -> int:
        return [line["message"] for line in forking.log()].count("from the child")

    before = told()
    forking.get("/log")
    assert told() == before + 1


def test_a_program_that_the_application_starts_can_be_interrupted(forking: Server) -> None:
    assert forking.get("/interrupt").json() == {"code": -signal.SIGINT}


def test_children_that_outlive_the_server_hold_neither_its_port_nor_its_folder(tmp_path: Path) -> None:
    children = []
    try:
        with serving(tmp_path, WSGI_APP=APPLICATION) as server:
            folder = Path(server.get("/folder").body.decode())
            assert is_held(folder)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(b"GET /live-on HTTP/1.0\r\n\r\n")
                # The answer ends with its connection: a child that had it too would keep the client waiting.
                children.append(int(receive_all(client).rpartition(b":")[2].strip(b"}\n")))
            server.process.kill()
            server.process.wait()
            # Any other server that starts on this machine may have removed it by then.
            until("the worker has ended", lambda: not folder.exists() or not is_held(folder))
            until("the management process has ended", lambda: is_free(server.management_port))
            again = {"PORT": str(server.port), "MANAGEMENT_PORT": str(server.management_port)}
        os.kill(children[0], 0)
        with serving(tmp_path, WSGI_APP=APPLICATION, **again) as second:
            assert second.process.poll() is None
            assert not folder.exists()
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("way", ["return", "exit"])
def test_a_child_that_is_forked_while_the_application_is_loaded_is_not_a_second_worker(
    tmp_path: Path, way: str
) -> None:
    with serving(tmp_path, WSGI_APP=APPLICATION, FORK_AT_IMPORT=way) as server:
        assert server.get("/").body == b"ok"
        assert len(server.workers()) == 1
        told = [line for line in server.log() if "has returned from the application's code" in line["message"]]
        assert len(told) == (way == "return")


def test_a_child_of_a_readiness_check_changes_nothing(tmp_path: Path) -> None:
    variables = {"READINESS_CHECKS": "tests.forking:fork_in_check", "READINESS_CHECK_INTERVAL": "2"}
    with serving(tmp_path, WSGI_APP=APPLICATION, **variables) as server:
        time.sleep(5)
        assert server.is_ready()
        assert "not ready" not in server.log_file.read_text().partition('"ready"')[2]
