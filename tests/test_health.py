"""The management port: health, whatever the workers do."""

import contextlib
import errno
import os
import random
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from nodrop.health.load_report import LoadReport
from nodrop.health.readiness import Checker, CheckResults
from tests.management_process import health_server, runtime_folder, supervisor
from tests.serving_process import (
    ROOT,
    Server,
    at_full_speed,
    hold,
    own_application,
    serving,
    slow_application,
    starting,
    until,
    warm_up,
)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_a_running_server_is_healthy(server: Server, path: str) -> None:
    assert server.manage(path).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics"])
def test_health_and_metrics_are_not_on_the_applications_port(server: Server, path: str) -> None:
    assert server.get(path).status == 404


def test_the_management_port_serves_nothing_else(server: Server) -> None:
    assert server.manage("/").status == 404
    assert server.manage("/echo").status == 404
    assert server.manage("/livez", method="POST").status == 405


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/sleep?ms=20000", "/work?cpu_ms=2500"], ids=["waiting", "computing"])
def test_health_answers_at_once_while_every_thread_is_stuck(tmp_path: Path, path: str) -> None:
    """Eight threads that compute share one processor, so that each takes eight times as long."""
    variables = {"LOAD_ENDPOINTS": "1", "GRACEFUL_TIMEOUT": "1"}
    with at_full_speed(), serving(tmp_path, **variables) as server, ThreadPoolExecutor(10) as clients:
        stuck = [clients.submit(server.get, path) for _ in range(10)]
        until("all threads are busy", lambda: server.metrics()["nodrop_threads_busy"] == 8)
        times: dict[str, list[float]] = {"/livez": [], "/readyz": [], "/startupz": [], "/metrics": []}
        for check in list(times) * 100:
            began = time.monotonic()
            assert server.manage(check).status == 200
            times[check].append(time.monotonic() - began)
        assert not any(request.done() for request in stuck), "the threads were not stuck"
        # Of each by itself: a slow one would be hidden among three that are quick.
        for check, taken in times.items():
            taken.sort()
            print(
                f"{check}: median {taken[50] * 1000:.1f}, 95 % {taken[94] * 1000:.1f}, most {taken[-1] * 1000:.1f} ms"
            )
            assert taken[94] < 0.05, check
        server.stop()


def test_it_is_not_ready_while_its_worker_is_dead_and_ready_again_with_the_next(tmp_path: Path) -> None:
    with serving(tmp_path, **slow_application(tmp_path, 1.5)) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        until("not ready", lambda: not server.is_ready(), timeout=1)
        assert server.manage("/readyz").body == b"not ready: every worker is stopping, gone or standing still\n"
        assert server.manage("/livez").status == 200
        until("ready again", server.is_ready)
        assert len(server.workers()) == 2
        told = [entry["message"] for entry in server.log() if entry["message"].endswith(("ready", "still"))]
        # Each once, however often the probes have asked.
        assert told[-2:] == ["not ready: every worker is stopping, gone or standing still", "ready"]


def test_a_health_server_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        first = health_server(server)
        os.kill(first, signal.SIGKILL)
        until("its death is told", lambda: any("health server died" in entry["message"] for entry in server.log()))
        until("another answers", lambda: server.is_ready() and health_server(server) != first)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTTIN", "SIGTTOU"])
def test_signals_for_the_master_that_reach_the_health_servers_too_leave_them_answering(
    tmp_path: Path, name: str
) -> None:
    """They have the master's command line, by which `pkill -HUP -f gunicorn` finds them as well."""
    with serving(tmp_path) as server:
        before = health_server(server)
        for process in (supervisor(server), before):
            os.kill(process, getattr(signal, name))
        time.sleep(0.2)
        assert server.manage("/livez", timeout=2).status == 200
        assert health_server(server) == before
        assert server.stop() == 0


def test_what_is_no_url_is_refused_on_the_management_port_and_the_log_stays_json(tmp_path: Path) -> None:
    malformed = [
        b"GET http://[ HTTP/1.1",
        b"GET",
        b"\x00\xff HTTP/1.1",
        b"GET / HTTP/x",
        b"GET /\xff\n HTTP/1.1",
        b"{" * 70_000,
    ]
    with serving(tmp_path) as server:
        for number in range(600):
            client = socket.create_connection(("127.0.0.1", server.management_port), timeout=10)
            with client, contextlib.suppress(OSError):
                client.sendall(malformed[number % len(malformed)] + b"\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(1000)
                assert b" 200 " not in answer
                assert number % len(malformed) or b" 400 " in answer
        assert server.is_ready()
        assert server.log()


def test_thousands_of_broken_requests_leave_the_management_port_answering_and_the_log_json(tmp_path: Path) -> None:
    """Real requests with bytes changed, left out and put in, some of which may well be valid still."""
    chance = random.Random(5)
    whole = [
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1]:5001/readyz?a=%5b HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"GET /metrics?name[]=nodrop_threads&x=\xff HTTP/1.1\r\nAccept: text/plain;version=1.0.0;q=0.5\r\n"
        b"Accept-Encoding: gzip;q=1, *;q=x\r\n\r\n",
        b"HEAD //[ HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: -1\r\n\r\n",
    ]
    odd = [
        b"\x00",
        b"\r",
        b"\n",
        b" ",
        b"[",
        b"]",
        b"\xff",
        b"://",
        b"%",
        b"\xe2\x84\x80",
        b"\x1b[2J",
        b'"',
        b"{",
        b"9" * 5000,
    ]
    with serving(tmp_path) as server:
        for _ in range(3000):
            data = bytearray(chance.choice(whole))
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(data))
                data[at : at + chance.randint(0, 3)] = chance.choice(odd)
            client = socket.create_connection(("127.0.0.1", server.management_port), timeout=10)
            with client, contextlib.suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
        assert server.is_ready()
        assert [entry for entry in server.log() if entry["level"] in ("error", "critical")] == []


def test_the_folder_of_a_server_whose_health_servers_were_all_killed_is_removed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        folder = runtime_folder(server)
        assert folder.is_dir()
        os.killpg(os.getpgid(health_server(server)), signal.SIGKILL)
        assert server.get("/").status == 200
        assert server.stop() == 0
        assert not folder.exists()
        server.log()


def test_it_is_not_ready_before_the_application_is_loaded(tmp_path: Path) -> None:
    with starting(tmp_path, **slow_application(tmp_path, 2)) as server:
        until("health answers", lambda: answers(server))
        answer = server.manage("/readyz")
        assert answer.status == 503
        assert re.match(rb"not ready: (no worker has loaded the|the application has been loading for)", answer.body)
        assert server.manage("/startupz").status == 503
        assert server.manage("/livez").status == 200
        until("ready", server.is_ready)
        assert server.manage("/startupz").status == 200


def answers(server: Server) -> bool:
    """Whether the management port answers at all."""
    try:
        server.manage("/livez")
    except OSError:
        return False
    return True


# --- Wedged, or only slow -------------------------------------------------------------------------------------------

SLOW_AND_STUCK = """
import threading, time, flask
app = flask.Flask(__name__)
never = threading.Event()
@app.get("/")
def index(): return "ok"
@app.get("/stuck")
def waits_for_a_lock_that_nobody_frees(): never.wait(60); return "late"
@app.get("/stream")
def stream(): return flask.Response((time.sleep(0.3) or b"part\\n") for _ in range(15))
"""


def application(folder: Path, code: str, **variables: str) -> dict[str, str]:
    """The variables of an application with this code."""
    (folder / "sample.py").write_text(code)
    return {"WSGI_APP": "sample:app", "PYTHONPATH": f"{ROOT}:{folder}", **variables}


def test_a_wedged_server_asks_to_be_restarted_and_says_where_it_stands(tmp_path: Path) -> None:
    variables = application(tmp_path, SLOW_AND_STUCK, WEB_THREADS="2", STALL_TIMEOUT="2", GRACEFUL_TIMEOUT="1")
    with serving(tmp_path, **variables) as server, ThreadPoolExecutor(3) as clients:
        stuck = [clients.submit(server.get, "/stuck")]
        until("it is logged", lambda: any("stack" in entry for entry in server.log()), timeout=10)
        assert server.manage("/livez").status == 200, "the other thread still answers"
        assert server.get("/").status == 200
        stuck += [clients.submit(server.get, "/stuck")]
        time.sleep(4)
        assert server.manage("/livez").status == 200, "nobody waits"
        stuck += [clients.submit(server.get, "/")]
        until("one waits", lambda: b"no thread" in server.manage("/livez").body, timeout=10)
        answer = server.manage("/livez")
        assert answer.status == 503
        assert re.fullmatch(
            rb"not alive: no thread has made progress for [2-9] s, and requests wait \(STALL_TIMEOUT=2\)\n", answer.body
        )
        assert server.manage("/readyz").status == 503
        entry, _ = [entry for entry in server.log() if "stack" in entry]
        assert "GET '/stuck'" in entry["message"]
        assert "waits_for_a_lock_that_nobody_frees" in entry["stack"]
        server.stop()
        assert all(each.exception() for each in stuck)


LIMITS = {"STALL_TIMEOUT": "2", "GRACEFUL_TIMEOUT": "1"}


@pytest.mark.parametrize("server_kind", ["gthread", "nodrop"])
def test_requests_that_no_idle_thread_takes_fail_liveness_even_before_the_first_answer(
    tmp_path: Path, server_kind: str
) -> None:
    source = """
import concurrent.futures, flask
app = flask.Flask(__name__)
kept = []
concurrent.futures.ThreadPoolExecutor.submit = lambda *arguments: kept.append(arguments) or concurrent.futures.Future()
from nodrop.http.threads import pool
pool.Threads._serve = lambda self, thread: setattr(self, 'main_polls', True)
"""
    with starting(tmp_path, **own_application(tmp_path, source), SERVER=server_kind, **LIMITS) as server:
        until("the port answers", lambda: is_told(server, "/livez", b"alive"))
        until("it asks", lambda: is_told(server, "/readyz", b"the first request, GET /, has not been answered yet"))
        until("it is not alive", lambda: is_told(server, "/livez", b"while no thread was busy (STALL_TIMEOUT=2)"))
        os.killpg(server.process.pid, signal.SIGKILL)


def test_a_loop_that_stands_still_before_the_first_answer_fails_liveness(tmp_path: Path) -> None:
    source = "import time, flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): time.sleep(60)\n"
    with starting(tmp_path, **own_application(tmp_path, source), **LIMITS) as server:
        until("the first request waits", lambda: is_told(server, "/readyz", b"has not been answered yet"))
        # The master would replace the worker.
        for process in (server.process.pid, *server.workers()):
            hold(process)
        until("it is not alive", lambda: is_told(server, "/livez", b"not alive: a worker has stood still for"))
        os.killpg(server.process.pid, signal.SIGKILL)


def is_told(server: Server, path: str, text: bytes) -> bool:
    """Whether the management port answers with this text."""
    try:
        return text in server.manage(path).body
    except OSError:
        return False


def test_a_slow_server_is_left_alone(tmp_path: Path) -> None:
    """A stream that takes longer than STALL_TIMEOUT in all, but keeps sending."""
    variables = application(tmp_path, SLOW_AND_STUCK, STALL_TIMEOUT="2", GRACEFUL_TIMEOUT="1")
    with serving(tmp_path, **variables) as server, ThreadPoolExecutor(1) as clients:
        stream = clients.submit(server.get, "/stream")
        while not stream.done():
            assert server.manage("/livez").status == 200
            assert server.manage("/readyz").status == 200
            time.sleep(0.1)
        assert stream.result().body == b"part\n" * 15


def test_a_worker_that_hangs_while_it_loads_again_is_noticed(tmp_path: Path) -> None:
    code = f"""
import flask, pathlib, time
loaded = pathlib.Path({str(tmp_path)!r}, "loaded")
if loaded.exists(): time.sleep(60)
loaded.touch()
app = flask.Flask(__name__)
"""
    with serving(tmp_path, **application(tmp_path, code, STALL_TIMEOUT="3", GRACEFUL_TIMEOUT="1")) as server:
        os.kill(server.workers()[0], signal.SIGKILL)
        until("not ready", lambda: not server.is_ready(), timeout=5)
        assert server.manage("/livez").status == 200
        until("not alive", lambda: server.manage("/livez").status == 503, timeout=10)
        assert b"no worker has been ready for" in server.manage("/livez").body


@pytest.mark.alone
def test_a_full_accept_queue_does_not_stop_health(tmp_path: Path) -> None:
    limits = {"WEB_THREADS": "2", "MAX_CONNECTIONS": "10", "GUNICORN_CMD_ARGS": "--backlog=16"}
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path, LOAD_ENDPOINTS="1", **limits))
        request = b"GET /sleep?ms=4000 HTTP/1.1\r\nHost: x\r\n\r\n"
        refused = 0
        for _ in range(50):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.01)
            try:
                client.connect(("127.0.0.1", server.port))
                client.sendall(request)
            except TimeoutError:
                refused += 1
                if refused == 3:
                    break
        assert refused, "the queue was not full"
        assert server.metrics()["nodrop_accept_queue_limit"] == 16
        times = []
        for path in ["/livez", "/readyz", "/metrics"] * 5:
            began = time.monotonic()
            assert server.manage(path).status == 200
            times.append(time.monotonic() - began)
        assert sorted(times)[len(times) // 2] < 0.05
        server.process.kill()


# --- Started --------------------------------------------------------------------------------------------------------


def test_it_has_not_started_before_a_request_went_through_the_application(tmp_path: Path) -> None:
    code = f"""
import flask, pathlib
app = flask.Flask(__name__)
@app.get("/warm")
def warm(): return "ok" if pathlib.Path({str(tmp_path)!r}, "there").exists() else flask.abort(503)
"""
    with starting(tmp_path, **application(tmp_path, code, STARTUP_PATH="/warm")) as server:
        until("it was asked", lambda: "/warm" in server.log_file.read_text())
        problem = b"the first request, GET /warm, was answered 503\n"
        until("the answer counts", lambda: server.manage("/startupz").body == b"not started: " + problem)
        assert server.manage("/startupz").status == 503
        assert server.manage("/readyz").body == b"not ready: " + problem
        assert server.manage("/livez").status == 200
        (tmp_path / "there").touch()
        until("ready", server.is_ready)
        assert server.manage("/startupz").body == b"started\n"


def test_an_application_that_is_not_ready_for_its_first_request_is_not_asked_too_often(tmp_path: Path) -> None:
    """Each time it may log an error, with a traceback, and report it elsewhere."""
    code = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef fails(): raise RuntimeError('no database')"
    with starting(tmp_path, **application(tmp_path, code)) as server:
        until("it was asked", lambda: "no database" in server.log_file.read_text())
        time.sleep(2)
        assert 2 <= sum("GET / 500" in entry["message"] for entry in server.log()) <= 6


def test_it_has_started_with_an_application_that_has_no_such_path(tmp_path: Path) -> None:
    with serving(tmp_path, **application(tmp_path, "import flask\napp = flask.Flask(__name__)")) as server:
        assert server.manage("/startupz").status == 200


# --- The application's own checks -----------------------------------------------------------------------------------

WITH_CHECKS = """
import flask, pathlib, threading, time
app = flask.Flask(__name__)
folder = pathlib.Path(__file__).parent
def database():
    assert flask.current_app.name == "sample"
    if (folder / "down").exists(): raise ConnectionRefusedError("postgres://user:secret@db")
def cache(): return not (folder / "cold").exists()
def ends():
    if (folder / "ends").exists(): raise SystemExit(1)
def queue():
    if (folder / "hanging").exists(): time.sleep(60)
@app.get("/threads")
def threads(): return str(threading.active_count())
"""
CHECKS = {
    "READINESS_CHECKS": "sample:database, sample:ends, sample:cache,sample:queue",
    "READINESS_CHECK_INTERVAL": "1",
    "READINESS_CHECK_TIMEOUT": "1",
}


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("down", b"not ready: sample:database raised ConnectionRefusedError\n"),
        ("ends", b"not ready: sample:ends raised SystemExit\n"),
        ("cold", b"not ready: sample:cache returned False\n"),
        ("hanging", b"not ready: sample:queue has not returned within 1 s\n"),
    ],
)
def test_it_is_not_ready_while_a_check_of_the_application_fails(tmp_path: Path, file: str, reason: bytes) -> None:
    with serving(tmp_path, **application(tmp_path, WITH_CHECKS, **CHECKS)) as server:
        warm_up(server, "/threads")
        threads = server.get("/threads").body
        (tmp_path / file).touch()
        until("not ready", lambda: not server.is_ready(), timeout=10)
        # None of them waits for a check.
        assert min(asked_for(server, reason) for _ in range(5)) < 0.5
        assert server.manage("/livez").status == 200, "a restart would not bring the dependency back"
        assert b"secret" not in server.manage("/readyz").body
        time.sleep(2.5)
        # The others have a thread for a moment.
        until("a check that hangs is not begun again", lambda: int(server.get("/threads").body) <= int(threads) + 1)
        (tmp_path / file).unlink()
        if file != "hanging":
            until("ready again", server.is_ready, timeout=10)


def asked_for(server: Server, reason: bytes) -> float:
    """How long it takes to be told this reason, in seconds."""
    began = time.monotonic()
    assert server.manage("/readyz").body == reason
    return time.monotonic() - began


def test_a_result_of_the_checks_is_not_trusted_for_ever(tmp_path: Path) -> None:
    results = CheckResults(tmp_path)
    results.write(7, "", 60)
    assert results.problem({7}) is None
    results.write(7, "", -1)
    assert results.problem({7}) == "the readiness checks have not come to a result in time"


def test_checks_go_on_after_their_result_could_not_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    reported: list[str] = []

    def report(problem: str, _: float) -> None:
        reported.append(problem)
        if len(reported) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        if len(reported) >= 4:
            # It goes on for as long as its process; the tests that follow are to have nothing of it.
            threading.Event().wait()

    Checker({}, report=report, interval=0.05, timeout=1).start()
    until("a result is reported after the one that failed", lambda: len(reported) >= 4)
    assert "the readiness checks could not be run" in caplog.text


def test_workers_that_load_at_the_same_time_report_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text = Path.write_text

    def report(line: str) -> None:
        with monkeypatch.context() as process:
            process.setattr(os, "getpid", lambda: len(line))
            mine = LoadReport(tmp_path)
        mine.write(line)

    def write_while_another_does(path: Path, text: str) -> int:
        monkeypatch.setattr(Path, "write_text", write_text)
        size = path.write_text(text)
        report("another line")
        return size

    monkeypatch.setattr(Path, "write_text", write_while_another_does)
    report("a line")
    assert LoadReport(tmp_path).read() == "a line"


def test_where_a_load_stands_is_not_worth_an_error(tmp_path: Path) -> None:
    LoadReport(tmp_path / "gone").write("a line")


def test_health_can_be_asked_for_without_its_text(server: Server) -> None:
    answer = server.manage("/livez", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_a_check_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    variables = application(tmp_path, WITH_CHECKS, READINESS_CHECKS="sample:database,sample:gone")
    with starting(tmp_path, **variables) as server:
        assert server.process.wait(20) != 0
        assert "READINESS_CHECKS=sample:gone can't be loaded: sample (" in server.log_file.read_text()
        assert "Traceback" not in server.log_file.read_text()
