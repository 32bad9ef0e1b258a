"""SERVER=gthread: gunicorn's own threads, with the health, metrics, logs and drain of nodrop."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest

from tests.serving_process import Server, own_application, serving, until

APPLICATION = """
import logging, multiprocessing, os, tempfile, time, flask
app = flask.Flask(__name__)
file = tempfile.NamedTemporaryFile(delete=False)
file.write(b"x" * 5_000_000)
file.flush()
@app.get("/")
def index():
    logging.getLogger("shop").warning("hello")
    return "hello"
@app.get("/sleep/<float:seconds>")
def sleep(seconds):
    time.sleep(seconds)
    return "slept"
@app.get("/stream")
def stream(): return flask.Response(time.sleep(0.3) or b"part" for _ in range(10))
@app.get("/file")
def send(): return flask.send_file(file.name, mimetype="text/plain")
@app.post("/echo")
def echo(): return flask.request.get_data()
@app.get("/terminate")
def terminate():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    child.terminate()
    child.join(5)
    return str(child.exitcode)
@app.get("/fork-return")
def fork_and_return():
    if os.fork(): os.wait()
    return "returned"
@app.get("/fail")
def fail(): raise RuntimeError("lost")
@app.get("/exit")
def leave(): raise SystemExit(3)
@app.get("/exit-later")
def leave_later():
    def parts():
        yield b"part"
        raise SystemExit(3)
    return flask.Response(parts())
"""


def gthread(folder: Path, **variables: str) -> dict[str, str]:
    """The variables of a server of the application above."""
    return {"SERVER": "gthread", **own_application(folder, APPLICATION), **variables}


def test_it_serves_and_says_at_the_start_what_differs(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path)) as server:
        answer = server.get("/")
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert server.get("/echo", method="POST", body=b"y" * 100_000).body == b"y" * 100_000
        assert server.get("/file").body == b"x" * 5_000_000
        problem = server.get("/fail")
        assert problem.status == 500
        assert problem.headers["content-type"] == "application/problem+json"
        messages = [entry["message"] for entry in server.log()]
        (line,) = [message for message in messages if message.startswith("SERVER=gthread: gunicorn's own threads")]
        assert "READ_TIMEOUT, WRITE_TIMEOUT, MAX_BODY_BYTES and BODY_BUFFER_BYTES do not apply, nor MAX_STREAMS" in line
        assert "no request is answered 503 after QUEUE_TIMEOUT" in line
        assert any("nodrop.server.gthread.Worker" in entry["message"] for entry in server.log())


def test_its_access_lines_and_the_applications_own_carry_the_request_id(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path)) as server:
        request_id = server.get("/", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"]
        assert request_id == "abc-1"

        def lines() -> list[str]:
            return [entry["logger"] for entry in server.log() if entry.get("request_id") == "abc-1"]

        until("both are there", lambda: sorted(lines()) == ["gunicorn.access", "shop"])
        (access,) = [e for e in server.log() if e.get("request_id") == "abc-1" and e["logger"] == "gunicorn.access"]
        assert (access["status"], access["bytes"], access["client"], access["route"]) == (200, 5, "127.0.0.1", "/")


def busy(server: Server) -> float:
    """How many threads have a request."""
    return server.metrics()["nodrop_threads_busy"]


def test_requests_and_threads_are_measured(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path, WEB_THREADS="2")) as server, ThreadPoolExecutor(3) as clients:
        for _ in range(5):
            server.get("/")
        counted = 'flask_http_request_duration_seconds_count{method="GET",route="/",status="200"}'
        # With the startup's.
        assert server.metrics()[counted] == 6
        slow = [clients.submit(server.get, "/sleep/3.0") for _ in range(3)]

        def saturated() -> bool:
            found = server.metrics()
            return (found["nodrop_threads_busy"], found["nodrop_requests_waiting"]) == (2, 1)

        until("two are busy and one waits", saturated, timeout=2.8)
        assert [each.result().status for each in slow] == [200] * 3
        until("none is busy", lambda: server.metrics()["nodrop_threads_busy"] == 0)


def test_health_tells_of_a_request_that_makes_no_progress_and_not_of_one_that_streams(tmp_path: Path) -> None:
    variables = gthread(tmp_path, WEB_THREADS="1", GRACEFUL_TIMEOUT="1", STALL_TIMEOUT="2")
    with serving(tmp_path, **variables) as server, ThreadPoolExecutor(2) as clients:
        stream = clients.submit(server.get, "/stream")
        until("it has the thread", lambda: busy(server) == 1)
        waiting = clients.submit(server.get, "/")
        while not stream.done():
            assert server.manage("/livez").status == 200
            time.sleep(0.1)
        waiting.result()
        stuck = clients.submit(server.get, "/sleep/6.0")
        until("it has the thread", lambda: busy(server) == 1)
        waiting = clients.submit(server.get, "/")
        until("it is told", lambda: server.manage("/livez").status == 503, timeout=5)
        assert b"no thread has made progress" in server.manage("/readyz").body
        stuck.result()
        waiting.result()
        until("it is well again", lambda: server.manage("/livez").status == 200, timeout=2)


def test_child_processes_of_the_application_change_nothing_of_what_the_worker_tells(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path)) as server:
        assert server.get("/terminate").body == b"-15"
        assert server.get("/fork-return").body == b"returned"
        time.sleep(1.5)
        assert server.is_ready()
        assert server.manage("/livez").status == 200
        assert server.get("/").body == b"hello"
        assert any("a child process has returned from GET '/fork-return'" in each["message"] for each in server.log())


def test_connections_are_kept_and_closed_after_keep_alive(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path, KEEP_ALIVE="1")) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.read() == b"hello"
            assert response.getheader("Connection") == "keep-alive"
        assert connection.sock.recv(1) == b"", "closed by the server"
        connection.close()


def test_what_is_in_flight_when_it_is_told_to_stop_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path)) as server, ThreadPoolExecutor(2) as clients:
        slow = clients.submit(server.get, "/sleep/6.0")
        stream = clients.submit(server.get, "/stream")
        until("both are in flight", lambda: busy(server) == 2)
        server.process.send_signal(signal.SIGTERM)
        until("not ready", lambda: not server.is_ready())
        assert not slow.done()
        assert slow.result().status == 200
        assert stream.result().body == b"part" * 10
        assert server.process.wait(10) == 0


def test_an_exit_in_a_request_fails_that_request_and_ends_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, **gthread(tmp_path)) as server:
        assert server.get("/exit").status == 500
        with pytest.raises(IncompleteRead):
            server.get("/exit-later")
        assert server.get("/").body == b"hello"
        until(
            "both are logged",
            lambda: server.log_file.read_text().count("RuntimeError: the application raised Sys") == 2,
        )
        assert len(server.workers()) == 1
