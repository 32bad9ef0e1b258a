"""One valid JSON object a line, whatever is sent or logged."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodrop.logs import output as logs
from nodrop.logs.formats import MAX_LINE_BYTES
from tests.log_lines import access_line, answers, find
from tests.raw import exchange
from tests.serving_process import Server, command, environment, free_port, request, serving, until

PIPE_BUF = 4096


def test_every_line_is_json_whatever_is_sent(server: Server) -> None:
    rest = b' HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff"\\\r\nConnection: close\r\n\r\n'
    assert b" 404 " in exchange(server, b'GET /echo/a"b\\c?"\\%22%0a{}' + rest)
    # Refused, and logged by gunicorn itself.
    assert b" 400 " in exchange(server, b'GET /echo?"\xff' + rest)
    assert b" 400 " in exchange(server, b'"\\\n{\x00\r\n\r\n')
    until("it is logged", lambda: any('a"b\\c' in entry.get("url", "") for entry in server.log()))
    until("the refusals too", lambda: sum("Invalid" in entry["message"] for entry in server.log()) >= 2)


CONTROLS = bytes(range(32)) + b"\x7f"


header_bytes = st.tuples(st.binary(max_size=300), st.integers(0, 7)).map(
    lambda drawn: drawn[0].translate(None, CONTROLS if drawn[1] else b"\r\n\0")
)


uri_bytes = st.tuples(st.binary(max_size=300), st.integers(0, 7)).map(
    lambda drawn: drawn[0].translate(None, CONTROLS + b" #" + (bytes(range(128, 256)) if drawn[1] else b""))
)


def test_every_request_is_one_line_with_its_id_whatever_its_bytes(talkative: Server) -> None:
    sent: dict[str, bytes] = {}

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(uri_bytes, header_bytes, header_bytes)
    def send(uri: bytes, agent: bytes, referer: bytes) -> None:
        number = f"bytes-{len(sent)}"
        sent[number] = exchange(
            talkative,
            b"GET /" + uri + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: " + number.encode()
            + b"\r\nUser-Agent: " + agent + b"\r\nReferer: " + referer + b"\r\n\r\n",
        )  # fmt: skip

    send()
    answered = [number for number, answer in sent.items() if number.encode() in answer]
    assert len(answered) > 100
    access_line_of = {}
    until("the last is logged", lambda: any(entry.get("request_id") == answered[-1] for entry in talkative.log()))
    for entry in talkative.log():
        if "url" in entry and str(entry.get("request_id")).startswith("bytes-"):
            assert entry["request_id"] not in access_line_of
            access_line_of[entry["request_id"]] = entry
    assert access_line_of.keys() == set(answered)
    assert {entry["status"] for entry in access_line_of.values()} <= {200, 308, 400, 404}


ODD = {
    "odd 1",
    "odd %d ('no number',)",
    "odd %s %s ('one only',)",
    "odd\nlines\x1b[31m\u2028\ud800",
    "odd extra",
    "odd exception",
}


def test_what_is_hard_to_log_is_one_valid_line_each(talkative: Server) -> None:
    assert talkative.get("/odd", headers={"X-Request-ID": "odd"}).status == 200
    access_line(talkative, "/odd")
    lines = [entry for entry in talkative.log() if entry["logger"] == "talkative" and entry["request_id"] == "odd"]
    assert len(lines) == 8
    assert {entry["message"] for entry in lines} >= ODD
    extra = next(entry for entry in lines if entry["message"] == "odd extra")
    assert (extra["level"], extra["request_id"], extra["order"]) == ("info", "odd", 17)
    assert (extra["level_"], extra["time_"], extra["request_id_"]) == ("fake", 0, "fake")
    assert extra["thing"] == "<Unprintable that can't be shown>"
    structure = next(entry for entry in lines if entry["message"] == "odd 1")
    assert (structure["nan"], structure["bytes"], structure["structure"]["inf"]) == ("nan", "b'\\xff'", "inf")
    assert structure["structure"]["(1, 2)"] == "nan"
    assert "UnprintableError" in next(entry for entry in lines if entry["message"] == "odd exception")["traceback"]
    long = next(entry for entry in lines if entry["message"].startswith("odd long"))
    assert long["cut"] is True
    assert max(len(line) for line in talkative.log_file.read_bytes().splitlines()) < MAX_LINE_BYTES
    # Nothing of what the logging module prints when it fails.
    assert "Logging error" not in talkative.log_file.read_text()


def test_warnings_and_errors_that_nobody_caught_are_lines_too(talkative: Server) -> None:
    talkative.get("/noise", headers={"X-Request-ID": "noise"})
    assert "a warning" in find(talkative, lambda entry: entry["logger"] == "py.warnings")["message"]
    thread = find(talkative, lambda entry: entry["message"] == "Uncaught ZeroDivisionError in thread adder")
    assert (thread["level"], "1 / 0" in thread["traceback"]) == ("critical", True)
    assert "in the destructor" in find(talkative, lambda e: "__del__" in e.get("traceback", ""))["traceback"]


@pytest.mark.parametrize("how", ["basicConfig", "dictConfig"])
def test_logs_outlast_an_application_that_configures_its_own(tmp_path: Path, how: str) -> None:
    with serving(tmp_path, WSGI_APP="tests.talkative:app", TALKATIVE=how) as server:
        server.get("/users/ada")
        assert b" 400 " in exchange(server, b"x\r\n\r\n")
        access_line(server, "/users/ada")
        assert find(server, lambda entry: entry["logger"] == "gunicorn.error" and "Invalid" in entry["message"])


def test_lines_of_several_workers_do_not_mix(tmp_path: Path) -> None:
    """Through a pipe, as in a container, that is read slowly enough to be full."""
    port = free_port()
    variables = environment(
        PORT=str(port), MANAGEMENT_PORT=str(free_port()), WSGI_APP="tests.talkative:app", WEB_CONCURRENCY="2"
    )
    process = subprocess.Popen(command(), cwd=tmp_path, env=variables, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        lines = iter(process.stdout.readline, b"")
        until("both workers have begun", lambda: b"Booting worker" in next(lines))
        until("both workers have begun", lambda: b"Booting worker" in next(lines))
        until("it answers", lambda: answers(port))
        with ThreadPoolExecutor(8) as clients:
            asked = [clients.submit(request, port, "/long-lines") for _ in range(40)]
            # All of it before any of it is judged: the workers wait for the pipe to be read.
            read: list[bytes] = []
            while sum(b"xxx" in line for line in read) < 40 * 50:
                read.append(next(lines))
            assert {answer.result().status for answer in asked} == {200}
        assert max(map(len, read)) <= PIPE_BUF
        assert all(isinstance(json.loads(line), dict) for line in read)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_what_ends_a_process_or_a_thread_on_purpose_is_no_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logs._log_uncaught(KeyboardInterrupt, KeyboardInterrupt(), None)
    logs._log_uncaught_in_thread(threading.ExceptHookArgs((SystemExit, SystemExit(), None, None)))
    assert caplog.records == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_the_level_is_the_least_that_is_logged_and_does_not_touch_the_access_log(tmp_path: Path) -> None:
    with serving(tmp_path, WSGI_APP="tests.talkative:app", LOG_LEVEL="warning") as server:
        server.get("/users/ada")
        server.get("/noise")
        access_line(server, "/noise")
        assert {entry["level"] for entry in server.log() if entry["logger"] != "gunicorn.access"} == {
            "warning", "error", "critical"
        }  # fmt: skip
