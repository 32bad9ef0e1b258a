"""Logs: one valid JSON object a line whatever is sent or logged, nothing secret in it, plain lines in a terminal."""

import contextlib
import errno
import json
import logging
import math
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.serving import logs, redaction
from app.serving.formats import MAX_LINE_BYTES, JsonFormatter, PlainFormatter, cut
from app.serving.gunicorn_logger import access_fields
from tests.serving_process import (
    Answer,
    Server,
    command,
    environment,
    free_port,
    own_application,
    request,
    serving,
    until,
)

PIPE_BUF = 4096


def send_raw(server: Server, data: bytes) -> bytes:
    """Send bytes and return all that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def find(server: Server, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first line that fulfils the condition, which may still be on its way."""
    until("it is logged", lambda: any(condition(entry) for entry in server.log()))
    return next(entry for entry in server.log() if condition(entry))


def access_line(server: Server, url: str) -> dict[str, Any]:
    """The access line of a request to this URL."""
    return find(server, lambda entry: entry.get("url") == url)


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the application that logs."""
    with serving(tmp_path_factory.mktemp("talkative"), WSGI_APP="tests.talkative:app") as server:
        yield server


# --- One JSON object a line -----------------------------------------------------------------------------------------


def test_every_line_is_json_whatever_is_sent(server: Server) -> None:
    rest = b' HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff"\\\r\nConnection: close\r\n\r\n'
    assert b" 200 " in send_raw(server, b'GET /echo?a"b\\c%22%0a{}' + rest)
    # Refused, and logged by gunicorn itself.
    assert b" 400 " in send_raw(server, b'GET /echo?"\xff' + rest)
    assert b" 400 " in send_raw(server, b'"\\\n{\x00\r\n\r\n')
    until("it is logged", lambda: any('a"b\\c' in entry.get("url", "") for entry in server.log()))
    until("the refusals too", lambda: sum("Invalid" in entry["message"] for entry in server.log()) >= 2)


CONTROLS = bytes(range(32)) + b"\x7f"
# One of eight with what the server refuses; it has no id to log then.
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
        sent[number] = send_raw(
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
        assert b" 400 " in send_raw(server, b"x\r\n\r\n")
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


def test_a_standard_output_that_nobody_reads_fails_no_request(tmp_path: Path) -> None:
    port, management_port = free_port(), free_port()
    reading, writing = os.pipe()
    variables = environment(PORT=str(port), MANAGEMENT_PORT=str(management_port), WSGI_APP="tests.talkative:app")
    process = subprocess.Popen(command(), cwd=tmp_path, env=variables, stdout=writing, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        until("it answers", lambda: answers(port))
        os.close(reading)
        assert [request(port, f"/users/{number}").status for number in range(5)] == [200] * 5
    finally:
        process.terminate()
        assert process.wait(20) == 0


def answers(port: int) -> bool:
    """Whether a server answers on this port."""
    try:
        return request(port, "/users/me").status == 200
    except OSError:
        return False


# --- The access line ------------------------------------------------------------------------------------------------


def test_an_access_line_says_what_was_asked_and_answered(talkative: Server) -> None:
    headers = {"User-Agent": "test", "Referer": "http://elsewhere/", "X-Request-ID": "complete"}
    answer = talkative.get("/users/ada?find-me", headers=headers)
    entry = access_line(talkative, "/users/ada?find-me")
    assert entry.pop("ms") > 0
    assert entry.pop("queued_ms") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry.pop("time"))
    assert re.fullmatch("GET /users/ada[?]find-me 200 [0-9.]+ ms", entry.pop("message"))
    assert re.fullmatch("[0-9a-f]{32}", entry.pop("trace_id"))
    assert re.fullmatch("[0-9a-f]{16}", entry.pop("span_id"))
    assert entry == {
        "level": "info",
        "logger": "gunicorn.access",
        "request_id": "complete",
        "client": "127.0.0.1",
        "method": "GET",
        "host": f"127.0.0.1:{talkative.port}",
        "url": "/users/ada?find-me",
        "route": "/users/<name>",
        "status": 200,
        "bytes": len(answer.body),
        "protocol": "HTTP/1.1",
        "user_agent": "test",
        "referer": "http://elsewhere/",
    }


def test_the_route_is_there_when_a_hook_answers_and_empty_when_none_matched(talkative: Server) -> None:
    assert talkative.get("/users/eve", headers={"X-Refuse": "1"}).status == 401
    assert talkative.get("/nowhere").status == 404
    assert access_line(talkative, "/users/eve")["route"] == "/users/<name>"
    assert access_line(talkative, "/nowhere")["route"] == ""


def test_a_refused_request_has_an_access_line_with_what_is_known(talkative: Server) -> None:
    twice = b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
    assert b" 400 " in send_raw(talkative, b"POST /refused HTTP/1.1\r\nHost: x\r\n" + twice)
    entry = access_line(talkative, "/refused")
    assert (entry["status"], entry["method"], entry["client"], entry["route"]) == (400, "POST", "127.0.0.1", "")


def test_a_refused_request_keeps_its_id_and_its_client(tmp_path: Path) -> None:
    with serving(tmp_path, TRUSTED_PROXIES="1", MAX_BODY_BYTES="10") as server:
        head = b"POST /refused HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine-1\r\nX-Forwarded-For: 192.0.2.7\r\n"
        answer = send_raw(server, head + b"Content-Length: 11\r\n\r\n")
        assert b" 413 " in answer
        assert b"X-Request-ID: mine-1\r\n" in answer
        entry = access_line(server, "/refused")
        assert (entry["request_id"], entry["client"], entry["status"]) == ("mine-1", "192.0.2.7", 413)
        # Two that are joined are no id, as for a request that is served.
        again = send_raw(server, head + b"X-Request-ID: mine-2\r\nContent-Length: 11\r\n\r\n")
        assert b"X-Request-ID: mine" not in again


def test_a_log_that_nobody_reads_holds_nothing_up_and_says_later_what_was_lost(tmp_path: Path) -> None:
    port, management_port = free_port(), free_port()
    variables = environment(PORT=str(port), MANAGEMENT_PORT=str(management_port), LOG_FORMAT="json")
    with subprocess.Popen(command(), cwd=tmp_path, env=variables, stdout=subprocess.PIPE) as process:
        log = process.stdout
        assert log
        server = Server(process, port, management_port, tmp_path / "none")  # type: ignore[arg-type]
        try:
            until("ready", server.is_ready)
            # A pipe holds 64 KiB, and a line is some 400 bytes.
            longest = 0.0
            for number in range(600):
                began = time.monotonic()
                assert server.get(f"/echo?{number}").status == 200
                longest = max(longest, time.monotonic() - began)
                if number % 100 == 99:
                    assert server.manage("/livez").status == server.manage("/readyz").status == 200
            assert 0.5 < longest < 3, "the pipe was full, and waited for once"
            os.set_blocking(log.fileno(), False)
            read = bytearray(log.read())
            server.get("/echo?after")

            def written_again() -> bool:
                read.extend(log.read() or b"")
                return b"?after" in read

            until("it is written again", written_again)
        finally:
            process.terminate()
            os.set_blocking(log.fileno(), True)
            read += log.read()
        lines = [json.loads(line) for line in read.splitlines()]
        (lost,) = [int(line["message"].split()[0]) for line in lines if "lines were lost" in line["message"]]
        assert lost > 300
        assert lost + sum("/echo?" in line.get("url", "") for line in lines) == 601


@contextmanager
def full_pipe(left: int) -> Iterator[tuple[int, int]]:
    """Both ends of a pipe with room for so many pages."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * PIPE_BUF)
        os.read(reading, left * PIPE_BUF)
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def test_room_is_waited_for_and_a_long_line_needs_an_empty_pipe(tmp_path: Path) -> None:
    with full_pipe(0) as (reading, writing):
        began = time.monotonic()
        assert not logs._has_room(writing, 10, 0.2)
        assert 0.2 <= time.monotonic() - began < 1
        os.read(reading, PIPE_BUF)
        assert logs._has_room(writing, PIPE_BUF, 0)
        # The rest may be in pages of its own, each with a part of a line.
        assert not logs._has_room(writing, PIPE_BUF + 1, 0)
        assert not logs._has_room(writing, PIPE_BUF + 1, 0.05)
        while os.read(reading, 1 << 20) and not logs._is_empty(writing):
            pass
        assert logs._has_room(writing, 16 * 1024, 0)
    with (tmp_path / "log").open("w") as file:
        assert logs._has_room(file.fileno(), 1 << 20, 0)


def test_what_another_program_has_made_non_blocking_is_waited_for() -> None:
    with full_pipe(0) as (reading, writing), ThreadPoolExecutor(1) as reader:
        reader.submit(lambda: (time.sleep(0.2), os.read(reading, 1 << 20)))  # type: ignore[func-returns-value]
        logs._write(writing, b"line\n")
        assert os.read(reading, 1 << 20).endswith(b"line\n")
    with full_pipe(0) as (_, writing):
        began = time.monotonic()
        logs._write(writing, b"lost\n")
        assert 0.9 < time.monotonic() - began < 3


WITH_A_CHECK = """
import flask, pathlib
app = flask.Flask(__name__)
down = pathlib.Path(__file__).with_name("down")
def database(): return not down.exists()
"""


def test_no_probe_waits_for_a_log_that_nobody_reads(tmp_path: Path) -> None:
    """What the probe is told changes while the pipe is full, so that it has something to log."""
    port, management_port = free_port(), free_port()
    variables = own_application(tmp_path, WITH_A_CHECK)
    variables |= {"READINESS_CHECKS": "own:database", "READINESS_CHECK_INTERVAL": "1", "READINESS_CHECK_TIMEOUT": "1"}
    environ = environment(PORT=str(port), MANAGEMENT_PORT=str(management_port), **variables)
    with subprocess.Popen(command(), cwd=tmp_path, env=environ, stdout=subprocess.PIPE) as process:
        server = Server(process, port, management_port, tmp_path / "none")  # type: ignore[arg-type]
        try:
            until("ready", server.is_ready)
            took = 0.0
            for _ in range(300):
                began = time.monotonic()
                server.get(f"/{'x' * 1000}")
                if (took := time.monotonic() - began) > 0.5:
                    break
            assert took > 0.5, "the pipe was not full"
            (tmp_path / "down").touch()
            longest, status = 0.0, 200
            deadline = time.monotonic() + 10
            while status == 200 and time.monotonic() < deadline:
                began = time.monotonic()
                status = server.manage("/readyz").status
                longest = max(longest, time.monotonic() - began)
            assert status == 503
            assert longest < 0.5
        finally:
            process.terminate()
            assert process.stdout
            process.stdout.read()


LOGGING = """
import logging, time
from app.serving import logs
logs.configure()
def say(length, times=1):
    for _ in range(times): logging.warning("x" * length)
"""


def test_a_reader_that_has_stopped_is_waited_for_once_however_many_long_lines_there_are() -> None:
    """The pipe has room for short lines, such as the one that tells what was lost, but not for theirs."""
    code = "say(10); began = time.monotonic(); say(12_000, 5); assert time.monotonic() - began < 2; say(10)"
    with subprocess.Popen([sys.executable, "-c", LOGGING + code], env=environment(), stdout=subprocess.PIPE) as process:
        try:
            assert process.wait(15) == 0
        finally:
            process.kill()
        assert process.stdout
        said = [json.loads(line)["message"] for line in process.stdout]
    assert said == ["x" * 10, "5 lines were lost: nobody read the log", "x" * 10]


@pytest.mark.timeout(10)
def test_room_that_another_process_has_taken_meanwhile_is_not_waited_for_without_end() -> None:
    with full_pipe(0) as (_, writing):
        # As it is with every other program that has it.
        os.set_blocking(writing, True)
        assert not logs._write(writing, b"lost\n", 0)
        assert os.get_blocking(writing)


def test_where_a_write_that_does_not_wait_is_forbidden_an_ordinary_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EPERM, "forbidden")

    monkeypatch.setattr(os, "pwritev", forbidden)
    with full_pipe(16) as (reading, writing):
        assert logs._write(writing, b"line\n")
        assert os.read(reading, 1 << 20).endswith(b"line\n")


def test_values_that_json_has_no_word_for_are_said_in_another_way() -> None:
    deep: Any = "end"
    for _ in range(30):
        deep = [deep]
    odd = {"nan": math.nan, "large": 2**80, "set": {1}, "none": None, "yes": True, "half": 0.5, "deep": deep, 3: (1, 2)}
    record = logging.makeLogRecord({"name": "x", "msg": "m", "fields": ["no", "dict"], "odd": odd})
    said = json.loads(JsonFormatter().format(record))
    assert said["fields"] == ["no", "dict"]
    kept = {name: said["odd"][name] for name in ("nan", "large", "set", "none", "yes", "half", "3")}
    assert kept == {
        "nan": "nan", "large": str(2**80), "set": [1], "none": None, "yes": True, "half": 0.5, "3": [1, 2],
    }  # fmt: skip


def test_what_ends_a_process_or_a_thread_on_purpose_is_no_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logs._log_uncaught(KeyboardInterrupt, KeyboardInterrupt(), None)
    logs._log_uncaught_in_thread(threading.ExceptHookArgs((SystemExit, SystemExit(), None, None)))
    assert caplog.records == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_the_access_log_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, ACCESS_LOG="0") as server:
        server.get("/")
        server.stop()
        assert not [entry for entry in server.log() if "url" in entry]


def test_the_level_is_the_least_that_is_logged_and_does_not_touch_the_access_log(tmp_path: Path) -> None:
    with serving(tmp_path, WSGI_APP="tests.talkative:app", LOG_LEVEL="warning") as server:
        server.get("/users/ada")
        server.get("/noise")
        access_line(server, "/noise")
        assert {entry["level"] for entry in server.log() if entry["logger"] != "gunicorn.access"} == {
            "warning", "error", "critical"
        }  # fmt: skip


class Response:
    """What the access log needs of gunicorn's response."""

    status = "200 OK"
    sent = 2**63


WORST = '\U0001f600\xff\x00"\\' * 20_000


@pytest.mark.parametrize("text", [WORST, "?key=&" * 50_000, "?key=x&" * 50_000, "\U0001f600" * 9999, "/" * 100_000])
def test_an_access_line_is_never_longer_than_the_kernel_writes_in_one_piece(text: str) -> None:
    names = ("RAW_URI", "REMOTE_ADDR", "REQUEST_METHOD", "SERVER_PROTOCOL")
    names += ("HTTP_HOST", "HTTP_USER_AGENT", "HTTP_REFERER", "serving.route")  # type: ignore[assignment]
    environ = dict.fromkeys(names, text) | {"serving.request_id": "x" * 128, "serving.trace_id": "0" * 32}
    fields = access_fields(Response, environ, 1e12)
    message = f"{fields['method']} {cut(fields['url'], 300)} 200 {fields['ms']:.1f} ms"
    record = logging.makeLogRecord({"name": "gunicorn.access", "levelname": "INFO", "msg": message, "fields": fields})
    line = JsonFormatter().format(record)
    assert len(line) < PIPE_BUF
    assert len(json.loads(line)["url"]) > 80


@pytest.mark.parametrize(("status", "logged"), [("404 Not Found", 404), (500, 500), (None, None)])
def test_an_access_line_needs_neither_an_environment_nor_an_answer(status: Any, logged: int | None) -> None:
    response = type("R", (), {"status": status})
    fields = access_fields(response, {}, 0.0)
    assert (fields["status"], fields["url"], fields["bytes"]) == (logged, "", 0)


# --- Secrets --------------------------------------------------------------------------------------------------------

SECRET_NAMES = [
    *("token", "access_token", "id_token", "refresh_token", "password", "passwd", "secret", "client_secret"),
    *("api_key", "apikey", "key", "signature", "sig", "code", "session", "sessionid", "auth", "jwt", "SAMLResponse"),
    *("X-Amz-Signature", "X-Amz-Credential", "subscription-key", "user[password]", "PassWord", "+token+"),
    *("%74oken", "%74%6F%6B%65%6E"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize(
    "pattern", ["/?{}=", "/a?b=c&{}=", "/a;{}=", "/?a=b;{}=", "/?next=/x?{}=", "/?a?{}=", "/??&{}="]
)
def test_values_of_parameters_that_look_like_secrets_are_hidden(name: str, pattern: str) -> None:
    url = pattern.format(name) + "s3cret&page=2"
    assert redaction.redact_url(url) == url.replace("s3cret", "REDACTED")
    assert redaction.redact_text(f"GET {url} HTTP/1.1") == f"GET {url} HTTP/1.1".replace("s3cret", "REDACTED")


@pytest.mark.parametrize(
    "url", ["/?page=2&sort=name", "/keys", "/?monday=1", "/token/abc", "/?a", "/?=x", "/a@b", "/a=b;c", "*"]
)
def test_nothing_else_is_changed(url: str) -> None:
    assert redaction.redact_url(url) == url
    assert redaction.redact_text(f"see {url} there") == f"see {url} there"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://u:s3cret@host/a@b", "http://REDACTED@host/a@b"),
        ("u:s3cret@host:443", "REDACTED@host:443"),
        ("http://u:s3cret@x@host/", "http://REDACTED@host/"),
        ("/?next=http://u:s3cret@host/", "/?next=http://REDACTED@host/"),
        ("/?token=s3cret?s3cret=s3cret#end", "/?token=REDACTED#end"),
        ("/?next=%2Flogin%3Ftoken%3Ds3cret%26page%3D2", "/?next=%2Flogin%3Ftoken%3DREDACTED%26page%3D2"),
        ("/?token=s3cret%26s3cret&a=b", "/?token=REDACTED&a=b"),
        ("/?token=s3c\xa0ret\x85", "/?token=REDACTED"),
        ("/?to\xa0ken=s3cret", "/?to\xa0ken=REDACTED"),
        ("/?token=&a=b", "/?token=&a=b"),
    ],
)
def test_secrets_in_odd_places_are_hidden(url: str, expected: str) -> None:
    assert redaction.redact_url(url) == expected


@given(
    st.text(st.sampled_from("ab?&;=#%3D26F/@: "), max_size=60),
    st.sampled_from(["?", "&", ";"]),
    st.sampled_from(["token", "API-Key", "%70assword"]),
    st.text(st.characters(exclude_characters="&;#", exclude_categories=["Cs"]), max_size=30),
)
def test_no_surroundings_make_a_secret_visible(before: str, mark: str, name: str, after: str) -> None:
    shown = redaction.redact_url(f"/{before}{mark}{name}=s3cret{after}&page=2")
    assert "s3cret" not in shown


def test_redacting_takes_time_in_proportion_to_the_length() -> None:
    for text in ("?" * 100_000, "?%3f" * 30_000, "?token" * 20_000, "=?" * 50_000, "://" * 30_000, "?%" * 50_000):
        began = time.process_time()
        redaction.redact_refusal(text)
        redaction.redact_url(text[:1400])
        assert time.process_time() - began < 2


def test_nothing_secret_is_in_any_line_of_a_real_server(talkative: Server) -> None:
    secrets = {
        "Authorization": "Basic czNjcmV0OnMzY3JldA==", "Cookie": "session=s3cret", "Proxy-Authorization": "s3cret",
        "Referer": "http://u:s3cret@elsewhere/?token=s3cret",
    }  # fmt: skip
    talkative.get("/users/bob?password=s3cret", headers=secrets)
    talkative.get("/fail?api_key=s3cret", headers=secrets)
    end = b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    send_raw(talkative, b"GET http://u:s3cret@host/users/bob2?%74oken=s3cret HTTP/1.1" + end)
    for refused in (
        b"GET /?token=s3cret s3cret HTTP/1.1" + end,
        b"GET /?token=s3cret HTTP/9.9" + end,
        b"password=s3cret&x=y" + end,
        b"GET / HTTP/1.1\r\nCookie session=s3cret" + end,
        b"GET / HTTP/1.1\r\nAuthorization\tBearer s3cret" + end,
        b"Authorization: Bearer s3cret" + end,
    ):
        assert b" 400 " in send_raw(talkative, refused) or b" 505 " in send_raw(talkative, refused)
    failed = find(talkative, lambda entry: "Exception on /fail" in entry["message"])
    assert "https://api/?access_token=REDACTED" in failed["traceback"]
    access_line(talkative, "http://REDACTED@host/users/bob2?%74oken=REDACTED")
    assert access_line(talkative, "/users/bob?password=REDACTED")["referer"] == (
        "http://REDACTED@elsewhere/?token=REDACTED"
    )
    until("all is logged", lambda: sum("Invalid" in entry["message"] for entry in talkative.log()) >= 6)
    text = talkative.log_file.read_text()
    assert "s3cret" not in text
    assert "czNjcmV0" not in text


# --- The formatters by themselves -----------------------------------------------------------------------------------

texts = st.text(st.characters())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.integers() | st.none(), inner, max_size=4),
    max_leaves=8,
)


@given(texts, st.dictionaries(texts, values, max_size=5), values)
def test_any_record_is_one_valid_line(message: str, extra: dict[str, Any], argument: Any) -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    record = logging.makeLogRecord({"msg": message + " %s", "args": (argument,), "name": "x", "levelname": "INFO"})
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line, parse_constant=no_constant)["level"] == "info"


@given(texts, st.dictionaries(texts, values, max_size=3))
def test_no_record_can_control_a_terminal_or_look_like_another(message: str, extra: dict[str, Any]) -> None:
    record = logging.makeLogRecord({"msg": message, "name": "x", "levelname": "INFO", "exc_info": None})
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    first, *others = PlainFormatter(colours=False).format(record).split("\n")
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO     x: ", first)
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in [first, *others])


@given(st.text(st.characters(), max_size=400), st.integers(10, 300))
def test_cut_keeps_within_its_size_and_keeps_what_fits(text: str, size: int) -> None:
    short = cut(text, size)
    assert len(json.dumps(short)) <= size
    assert short == text or (short.endswith("...") and len(json.dumps(text)) > size)


# --- In a terminal --------------------------------------------------------------------------------------------------

ESCAPE = "\x1b["


def in_terminal(tmp_path: Path, **variables: str) -> str:
    """What a server prints in a terminal, asked for /users/ada, with control characters, and for what is not there."""
    terminal, its_end = pty.openpty()
    port = free_port()
    env = environment(PORT=str(port), MANAGEMENT_PORT=str(free_port()), WSGI_APP="tests.talkative:app")
    env = {name: value for name, value in env.items() if name != "NO_COLOR"} | {"TERM": "xterm", **variables}
    process = subprocess.Popen(
        command(), cwd=tmp_path, env=env, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
    printed = b""

    def read() -> None:
        nonlocal printed
        while select.select([terminal], [], [], 0)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # what Linux says when the other end is closed
                return
            printed += data

    def shows(text: bytes) -> bool:
        read()
        return text in printed

    answered: list[Answer] = []

    def answers_users() -> bool:
        read()
        if answers(port):
            answered.append(request(port, "/users/ada"))
        return bool(answered)

    try:
        until("it answers", answers_users)
        raw = b"GET /\xc2\x9b31m?\x9b31m HTTP/1.1\r\nHost: x\r\nUser-Agent: \x9b\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(raw)
            client.recv(65536)
        request(port, "/users/%1B%5B31mred%0A12:00:00%20forged")
        request(port, "/nowhere")
        request(port, "/users/last")
        until("it is printed", lambda: shows(b"/users/last 200"))
    finally:
        process.send_signal(signal.SIGTERM)
        until("it has ended", lambda: shows(b"no such text") or process.poll() is not None)
        os.close(terminal)
    return printed.decode()


def test_a_terminal_shows_plain_coloured_lines_and_nothing_of_a_clients_making(tmp_path: Path) -> None:
    printed = in_terminal(tmp_path)
    assert re.search(r"\x1b\[2m\d\d:\d\d:\d\d\.\d{3}\x1b\[0m \x1b\[32mGET /users/ada 200 [\d.]+ ms\x1b\[0m", printed)
    assert re.search(r"\x1b\[32mINFO    \x1b\[0m talkative: hello ada", printed)
    assert re.search(r"\x1b\[33mGET /nowhere 404", printed)
    without_colours = re.sub(r"\x1b\[[\d;]*m", "", printed)
    assert all(line.isprintable() for line in without_colours.replace("\r\n", "\n").split("\n"))
    assert r"hello \x1b[31mred" in printed
    assert "\n    12:00:00 forged" in without_colours.replace("\r\n", "\n")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(tmp_path: Path, variables: dict[str, str]) -> None:
    printed = in_terminal(tmp_path, **variables)
    assert "hello ada" in printed
    assert ESCAPE not in printed


def test_json_can_be_had_in_a_terminal(tmp_path: Path) -> None:
    lines = in_terminal(tmp_path, LOG_FORMAT="json").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_plain_lines_can_be_had_without_a_terminal_and_have_no_colours(tmp_path: Path) -> None:
    process_line = r"\d\d:\d\d:\d\d\.\d{3} ERROR    app\.serving\.management: health server died, starting another "
    with serving(tmp_path, LOG_FORMAT="plain", WSGI_APP="tests.talkative:app") as server:
        server.get("/users/ada")
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        for child in children.read_text().split():
            for grandchild in Path(f"/proc/{child}/task/{child}/children").read_text().split():
                os.kill(int(grandchild), signal.SIGKILL)
        until("it is logged", lambda: bool(re.search(process_line, server.log_file.read_text())))
        text = server.log_file.read_text()
    assert re.search(r"(?m)^\d\d:\d\d:\d\d\.\d{3} INFO     talkative: hello ada$", text)
    assert re.search(r"(?m)^\d\d:\d\d:\d\d\.\d{3} GET /users/ada 200 [\d.]+ ms$", text)
    assert ESCAPE not in text
