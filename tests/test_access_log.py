"""The access line: what was asked, by whom, and what was answered."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from nodrop.logs.access import access_fields
from nodrop.logs.formats import JsonFormatter, cut
from tests.log_lines import access_line
from tests.raw import exchange
from tests.serving_process import Server, serving

PIPE_BUF = 4096


def test_an_access_line_says_what_was_asked_and_answered(talkative: Server) -> None:
    headers = {"User-Agent": "test", "Referer": "http://elsewhere/", "X-Request-ID": "complete"}
    answer = talkative.get("/users/ada?page=17", headers=headers)
    entry = access_line(talkative, "/users/ada?page=17")
    assert entry.pop("ms") > 0
    assert entry.pop("queued_ms") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry.pop("time"))
    assert re.fullmatch("GET /users/ada[?]page=17 200 [0-9.]+ ms", entry.pop("message"))
    assert re.fullmatch("[0-9a-f]{32}", entry.pop("trace_id"))
    assert re.fullmatch("[0-9a-f]{16}", entry.pop("span_id"))
    assert entry == {
        "level": "info",
        "logger": "gunicorn.access",
        "request_id": "complete",
        "client": "127.0.0.1",
        "method": "GET",
        "host": f"127.0.0.1:{talkative.port}",
        "url": "/users/ada?page=17",
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
    assert b" 400 " in exchange(talkative, b"POST /refused HTTP/1.1\r\nHost: x\r\n" + twice)
    entry = access_line(talkative, "/refused")
    assert (entry["status"], entry["method"], entry["client"], entry["route"]) == (400, "POST", "127.0.0.1", "")


def test_a_refused_request_keeps_its_id_and_its_client(tmp_path: Path) -> None:
    with serving(tmp_path, TRUSTED_PROXIES="1", MAX_BODY_BYTES="10") as server:
        head = b"POST /refused HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine-1\r\nX-Forwarded-For: 192.0.2.7\r\n"
        answer = exchange(server, head + b"Content-Length: 11\r\n\r\n")
        assert b" 413 " in answer
        assert b"X-Request-ID: mine-1\r\n" in answer
        entry = access_line(server, "/refused")
        assert (entry["request_id"], entry["client"], entry["status"]) == ("mine-1", "192.0.2.7", 413)
        # Two that are joined are no id, as for a request that is served.
        again = exchange(server, head + b"X-Request-ID: mine-2\r\nContent-Length: 11\r\n\r\n")
        assert b"X-Request-ID: mine" not in again


def test_the_access_log_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, ACCESS_LOG="0") as server:
        server.get("/")
        server.stop()
        assert not [entry for entry in server.log() if "url" in entry]


class Response:
    """What the access log needs of gunicorn's response."""

    status = "200 OK"
    sent = 2**63


WORST = '\U0001f600\xff\x00"\\' * 20_000


@pytest.mark.parametrize("text", [WORST, "?key=&" * 50_000, "?key=x&" * 50_000, "\U0001f600" * 9999, "/" * 100_000])
def test_an_access_line_is_never_longer_than_the_kernel_writes_in_one_piece(text: str) -> None:
    names = ("RAW_URI", "REMOTE_ADDR", "REQUEST_METHOD", "SERVER_PROTOCOL")
    names += ("HTTP_HOST", "HTTP_USER_AGENT", "HTTP_REFERER", "nodrop.route")  # type: ignore[assignment]
    environ = dict.fromkeys(names, text) | {"nodrop.request_id": "x" * 128, "nodrop.trace_id": "0" * 32}
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
