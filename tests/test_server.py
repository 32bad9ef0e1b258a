"""The serving layer as real processes: starting, health, metrics, logs, stopping."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving_process import ROOT, Answer, Server, command, environment, free_port, serving, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not stop it."""
    with serving(tmp_path_factory.mktemp("server"), LOAD_ENDPOINTS="1", APP_VERSION="1.2.3") as server:
        yield server


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse, and return what it said."""
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    return subprocess.run(
        command(), cwd="/", env=environment(**{**ports, **variables}),
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def folders() -> set[Path]:
    """What servers have in memory. Another server on this machine may add to it, but nothing here runs beside us."""
    return set(Path("/dev/shm").glob("flask-app-*"))


# --- Starting -------------------------------------------------------------------------------------------------------


def test_it_answers_on_the_port(server: Server) -> None:
    assert server.get("/").json()["version"] == "1.2.3"


def test_it_listens_on_every_address(server: Server) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert f"00000000:{server.port:04X}" in {fields[1] for fields in listening if fields[3] == "0A"}


def test_a_bad_setting_stops_the_start_with_one_line() -> None:
    refused = start(PORT="eighty")
    assert refused.returncode == 1
    assert refused.stderr == "PORT='eighty' can't be accepted: set it to a whole number from 1 to 65535\n"


def test_a_bad_setting_of_the_application_stops_the_start_without_a_traceback() -> None:
    refused = start(ECHO_MAX_BYTES="lots")
    assert refused.returncode != 0
    assert "ECHO_MAX_BYTES='lots' can't be accepted: set it to a whole number from 0 to 1073741824" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


def test_an_application_that_is_not_there_stops_the_start() -> None:
    refused = start(WSGI_APP="app.gone:app")
    assert refused.returncode != 0
    assert "No module named 'app.gone'" in refused.stdout + refused.stderr


@pytest.mark.parametrize("variable", ["PORT", "MANAGEMENT_PORT"])
def test_a_busy_port_gets_a_clear_message(variable: str) -> None:
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        port = busy.getsockname()[1]
        refused = start(**{variable: str(port)})
    assert refused.returncode == 1
    assert f"port {port} is already in use: stop what uses it, or choose another with {variable}=<port>" in (
        refused.stderr
    )


def test_an_upgrade_in_place_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGUSR2)
        until("it is refused", lambda: "(SIGUSR2) is not supported" in server.log_file.read_text())
        assert server.get("/").status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


def test_a_reload_keeps_what_was_counted_and_stays_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.get("/")
        server.process.send_signal(signal.SIGHUP)
        until("a second worker", lambda: len(server.workers()) == 2)
        until("ready", server.is_ready)
        assert server.get("/").status == 200
        until("both are counted", lambda: metrics(server)['flask_http_request_total{method="GET",status="200"}'] == 2)


# --- The folder in memory -------------------------------------------------------------------------------------------


def test_the_folders_of_killed_servers_are_removed_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from app.serving.runtime import runtime_folder
print(runtime_folder(Path({str(tmp_path)!r})), flush=True)
sys.stdin.read()
"""

    def holder() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    processes = []
    try:
        killed, left = holder()
        processes.append(killed)
        living, kept = holder()
        processes.append(living)
        assert left.is_dir()
        killed.kill()
        killed.wait()
        third, new = holder()
        processes.append(third)
        assert not left.exists()
        assert kept.is_dir()
        assert new.is_dir()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_refused_start_leaves_no_folder_behind() -> None:
    before = folders()
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        start(PORT=str(busy.getsockname()[1]))
    start(PORT="eighty")
    assert folders() <= before


# --- Health ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_a_running_server_is_healthy(server: Server, path: str) -> None:
    assert server.manage(path).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics"])
def test_health_and_metrics_are_not_on_the_applications_port(server: Server, path: str) -> None:
    assert server.get(path).status == 404


def test_the_management_port_serves_nothing_else(server: Server) -> None:
    assert server.manage("/").status == 404
    assert server.manage("/echo").status == 404
    assert server.manage("/livez", method="POST").status == 501


def test_health_answers_at_once_while_every_thread_is_stuck(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1", WEB_THREADS="2") as server, ThreadPoolExecutor(4) as clients:
        stuck = [clients.submit(server.get, "/sleep?ms=3000") for _ in range(4)]
        time.sleep(0.5)
        times = []
        for path in ["/livez", "/readyz", "/metrics"] * 5:
            began = time.monotonic()
            assert server.manage(path).status == 200
            times.append(time.monotonic() - began)
        assert not stuck[3].done(), "the threads were not stuck"
        assert sorted(times)[len(times) // 2] < 0.05


def slow_application(folder: Path, seconds: float) -> dict[str, str]:
    """The variables of an application that takes `seconds` to load."""
    (folder / "slow.py").write_text(f"import time, flask\ntime.sleep({seconds})\napp = flask.Flask(__name__)\n")
    return {"WSGI_APP": "slow:app", "PYTHONPATH": f"{ROOT}:{folder}"}


def test_it_is_not_ready_while_its_worker_is_dead_and_ready_again_with_the_next(tmp_path: Path) -> None:
    with serving(tmp_path, **slow_application(tmp_path, 1.5)) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        until("not ready", lambda: not server.is_ready(), timeout=1)
        assert server.manage("/readyz").body == b"not ready: every worker is stopping or gone\n"
        assert server.manage("/livez").status == 200
        until("ready again", server.is_ready)
        assert len(server.workers()) == 2


def health_server(server: Server) -> int:
    """The process that answers on the management port: the younger of the two that have it in their command."""
    wanted = f"app.serving.management {server.management_port}".encode().split()
    found = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if set(wanted) <= set(path.read_bytes().split(b"\0"))
    ]
    assert len(found) == 2
    return max(found)


def test_a_health_server_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        os.kill(health_server(server), signal.SIGKILL)
        until("health is refused", lambda: not server.is_ready(), timeout=2)
        until("it answers again", server.is_ready, timeout=5)
        assert any("health server died" in entry["message"] for entry in server.log())


def test_it_is_not_ready_before_the_application_is_loaded(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        command(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        env=environment(
            PORT=str(free_port()), MANAGEMENT_PORT=str(port), **slow_application(tmp_path, 2)
        ),
    )  # fmt: skip
    server = Server(process, 0, port, tmp_path / "none")
    answers: list[Answer] = []

    def answered() -> bool:
        try:
            answers.append(server.manage("/readyz"))
            return True
        except OSError:
            return False

    try:
        until("health answers", answered)
        assert answers[0].status == 503
        assert answers[0].body == b"not ready: no worker has loaded the application yet\n"
        assert server.manage("/startupz").status == 503
        assert server.manage("/livez").status == 200
        until("ready", server.is_ready)
        assert server.manage("/startupz").status == 200
    finally:
        server.stop()


# --- Metrics --------------------------------------------------------------------------------------------------------


def metrics(server: Server) -> dict[str, float]:
    """The samples, by name and labels as they are written."""
    lines = server.manage("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_requests_are_counted_by_route_method_and_status(server: Server) -> None:
    name = 'flask_http_request_duration_seconds_count{method="POST",route="/echo",status="200"}'
    before = metrics(server).get(name, 0)
    for number in range(3):
        server.get(f"/echo?{number}", method="POST", body=b"x")
    assert metrics(server)[name] == before + 3


def test_made_up_urls_and_methods_add_no_series(server: Server) -> None:
    server.get("/nowhere")
    server.get("/echo", method="FIRST")
    before = metrics(server)
    for number in range(20):
        server.get(f"/nowhere/{number}")
        server.get("/echo", method=f"MADEUP{chr(ord('A') + number)}")
    assert metrics(server).keys() == before.keys()
    assert metrics(server)["flask_http_request_unusual_method_total"] >= 21


def test_an_application_that_answers_in_a_hook_of_its_own_adds_no_series_either(tmp_path: Path) -> None:
    (tmp_path / "guarded.py").write_text(
        "import flask\napp = flask.Flask(__name__)\n@app.before_request\ndef guard(): return 'no', 401\n"
    )
    with serving(tmp_path, WSGI_APP="guarded:app", PYTHONPATH=f"{ROOT}:{tmp_path}") as server:
        server.get("/")
        server.get("/", method="FIRST")
        before = metrics(server)
        assert before['flask_http_request_duration_seconds_count{method="GET",route="",status="401"}'] == 1
        for number in range(5):
            server.get("/", method=f"MADE{chr(ord('A') + number)}")
        assert metrics(server).keys() == before.keys()
        assert metrics(server)["flask_http_request_unusual_method_total"] == 6


def test_counts_are_summed_over_workers_and_survive_them(tmp_path: Path) -> None:
    name = 'flask_http_request_total{method="GET",status="200"}'
    with serving(tmp_path, WEB_CONCURRENCY="2") as server:
        until("two workers", lambda: server.manage("/readyz").body == b"ready: 2 workers\n")
        for _ in range(20):
            server.get("/")
        assert metrics(server)[name] == 20
        os.kill(server.workers()[0], signal.SIGKILL)
        until("a third worker", lambda: len(server.workers()) == 3 and server.is_ready())
        assert metrics(server)[name] == 20


# --- Logs -----------------------------------------------------------------------------------------------------------


def send_raw(server: Server, data: bytes) -> bytes:
    """Send bytes and return all that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_every_line_is_json_whatever_is_sent(server: Server) -> None:
    rest = b' HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff"\\\r\nConnection: close\r\n\r\n'
    assert b" 200 " in send_raw(server, b'GET /echo?a"b\\c%22%0a{}' + rest)
    # Refused, and logged by gunicorn itself.
    assert b" 400 " in send_raw(server, b'GET /echo?"\xff' + rest)
    assert b" 400 " in send_raw(server, b'"\\\n{\x00\r\n\r\n')
    until("it is logged", lambda: any('a"b\\c' in entry.get("url", "") for entry in server.log()))
    until("the refusals too", lambda: sum("Invalid" in entry["message"] for entry in server.log()) >= 2)


def test_an_access_line_says_what_was_asked_and_answered(server: Server) -> None:
    server.get("/echo?find-me", method="PUT", headers={"User-Agent": "test"})

    def found() -> bool:
        return any(entry.get("url") == "/echo?find-me" for entry in server.log())

    until("it is logged", found)
    entry = next(entry for entry in server.log() if entry.get("url") == "/echo?find-me")
    assert (entry["method"], entry["status"], entry["client"], entry["user_agent"]) == ("PUT", 200, "127.0.0.1", "test")
    assert entry["bytes"] > 0
    assert entry["ms"] > 0


def test_the_access_log_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, ACCESS_LOG="0") as server:
        server.get("/")
        server.stop()
        assert not [entry for entry in server.log() if "url" in entry]


# --- Stopping -------------------------------------------------------------------------------------------------------


def test_a_request_in_hand_is_finished_and_readiness_ends_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1") as server, ThreadPoolExecutor(1) as clients:
        slow = clients.submit(server.get, "/sleep?ms=2000")
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        until("not ready", lambda: not server.is_ready(), timeout=1)
        assert server.manage("/readyz").body == b"not ready: every worker is stopping or gone\n"
        assert server.manage("/livez").status == 200
        assert not slow.done()
        assert slow.result().status == 200
        assert server.process.wait(10) == 0


def test_a_request_longer_than_the_graceful_timeout_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1", GRACEFUL_TIMEOUT="1") as server, ThreadPoolExecutor(1) as clients:
        slow = clients.submit(server.get, "/sleep?ms=30000")
        time.sleep(0.5)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10
        assert slow.exception() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    before = folders()
    with serving(tmp_path) as server:
        group = server.process.pid
        # Ctrl-C reaches the whole process group; SIGTERM the master alone.
        if number == signal.SIGINT:
            os.killpg(group, number)
        else:
            server.process.send_signal(number)
        server.process.wait(10)
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
        with pytest.raises(ConnectionRefusedError):
            server.manage("/livez")
        assert folders() <= before


def test_the_management_process_ends_with_a_master_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        group = server.process.pid
        server.process.kill()
        server.process.wait()

        def all_gone() -> bool:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            return False

        until("every process has ended", all_gone, timeout=10)
        until("health is not answered any more", lambda: not server.is_ready(), timeout=5)


def test_keep_alive_clients_lose_nothing_when_it_stops(tmp_path: Path) -> None:
    """A stopping server answers what comes on open connections and tells clients to close them."""
    results: list[tuple[int, str]] = []
    errors: list[Exception] = []

    def client(server: Server) -> None:
        from http.client import HTTPConnection

        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            while True:
                connection.request("GET", "/echo")
                response = connection.getresponse()
                response.read()
                results.append((response.status, response.headers.get("Connection", "")))
                if response.headers.get("Connection") == "close":
                    return
                time.sleep(0.01)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    with serving(tmp_path, WEB_THREADS="4") as server:
        clients = [threading.Thread(target=client, args=(server,)) for _ in range(8)]
        for thread in clients:
            thread.start()
        time.sleep(1)
        assert server.stop() == 0
        for thread in clients:
            thread.join(15)
    assert not errors
    assert {status for status, _ in results} == {200}
    assert [connection for _, connection in results].count("close") == len(clients)
