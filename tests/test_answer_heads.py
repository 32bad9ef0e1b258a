"""Heads of answers: what an application begins with is sent, refused or left out as gunicorn does it."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader
from hypothesis import given
from hypothesis import strategies as st

from nodrop.http.answers import head
from nodrop.http.answers.response import Response
from tests.raw import exchange
from tests.serving_process import own_application, serving


class Wire:
    """A socket that keeps what is sent."""

    taken_over = False

    def __init__(self) -> None:
        self.sent = b""
        self.outgoing = SimpleNamespace(is_event_stream=False)

    def sendall(self, data: bytes) -> None:
        self.sent += data

    send_last = sendall


def made(method: str, version: tuple[int, int], closes: bool) -> Any:
    """A request, as far as an answer looks at it."""
    return SimpleNamespace(method=method, version=version, should_close=lambda: closes)


def lines(sent: bytes) -> list[bytes]:
    """The lines of a head and the body, without what is nodrop's own or changes with the time."""
    first, *rest = sent.split(b"\r\n")
    return [first.partition(b" ")[2], *(line for line in rest if not line.startswith((b"Server:", b"Date:")))]


def answered(response: Any, wire: Wire, status: Any, headers: list[tuple[Any, Any]], body: bytes) -> object:
    """What is sent, and whether the connection is closed then; or the kind of error that the application gets."""
    try:
        response.start_response(status, headers)
        response.write(body)
        response.close()
    except Exception as error:
        return type(error)
    return lines(wire.sent), response.should_close(), response.sent


NAMES = st.sampled_from(
    ["Content-Type", "X-A", "content-length", "Connection", "UPGRADE", "Server", "date", "Transfer-Encoding", "TE", "",
     "a b", "é", "x:", "Set-Cookie"]
) | st.text(max_size=3)  # fmt: skip
VALUES = st.sampled_from(
    ["text/plain", " a ", "", "close", "Upgrade", "websocket", "a\r\nB: c", "\0", "\x7f", "é", "\u2028", "\t"]
) | st.text(max_size=4)  # fmt: skip


@given(
    status=st.sampled_from(
        ["200 OK", "204 No Content", "304 Not Modified", "404", "500 \xe9", "20 OK", "abc", "200\r\nA: b", 200, ""]
    ),
    headers=st.lists(st.tuples(NAMES | st.just(1), VALUES | st.just(1)), max_size=4),
    length=st.sampled_from([None, "0", "3", " 3 ", "10"]),
    method=st.sampled_from(["GET", "HEAD"]),
    version=st.sampled_from([(1, 0), (1, 1)]),
    closes=st.booleans(),
)  # fmt: skip
def test_any_head_is_what_gunicorn_makes_of_it(
    status: Any, headers: list[tuple[Any, Any]], length: str | None, method: str, version: tuple[int, int], closes: bool
) -> None:
    # Lengths that are none are refused here, and passed on there (tests/test_protocol.py).
    headers = [each for each in headers if str(each[0]).lower() != "content-length"]
    headers += [("Content-Length", length)] if length is not None else []
    ours, theirs = Wire(), Wire()
    request = made(method, version, closes)
    wanted = answered(wsgi.Response(request, theirs, Config()), theirs, status, headers, b"abc")
    if length == "10" and isinstance(wanted, tuple) and method == "GET" and b"abc" in wanted[0]:
        # It ended too early, after which gunicorn would keep the connection.
        wanted = (wanted[0], True, wanted[2])
    found = answered(Response(request, ours), ours, status, headers, b"abc")  # type: ignore[arg-type]
    if isinstance(wanted, type) and len(headers) > 1:
        # Of several that are wrong, either may be the one that is named.
        assert isinstance(found, type)
    else:
        assert found == wanted


@pytest.mark.parametrize("name", ["X-A", "Connection", "Upgrade", "Date"])
@pytest.mark.parametrize("value", ["a\r\nB: c", "a\rb", "a\nb", "\0", "\x7f", "\u2028", 1, None, b"a"])
def test_a_value_that_would_be_another_header_is_refused(name: str, value: Any) -> None:
    """With others before and behind it, since all are looked at together."""
    wire = Wire()
    response = Response(made("GET", (1, 1), False), wire)  # type: ignore[arg-type]
    with pytest.raises(InvalidResponseHeader if isinstance(value, str) else TypeError):
        response.start_response("200 OK", [("X-B", "b"), (name, value), ("X-C", "c")])
    assert response.status is None


def test_an_answer_begins_anew_after_an_error_as_long_as_nothing_is_sent() -> None:
    wire = Wire()
    response = Response(made("GET", (1, 1), False), wire)  # type: ignore[arg-type]
    response.start_response("200 OK", [("X-A", "1"), ("Content-Length", "5")])
    error = ValueError("x")
    with pytest.raises(AssertionError, match="already set"):
        response.start_response("200 OK", [])
    response.start_response("500 Oh", [("X-B", "2")], (ValueError, error, None))
    response.write(b"abc")
    assert b"X-A" not in wire.sent
    assert b"Content-Length" not in wire.sent
    assert wire.sent.startswith(b"HTTP/1.1 500 Oh\r\n")
    with pytest.raises(ValueError, match="x"):
        response.start_response("200 OK", [], (ValueError, error, None))


def test_the_date_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.9)
    first = head.date_line()
    assert first == "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.95)
    assert head.date_line() is first
    monkeypatch.setattr(time, "time", lambda: 1_700_000_001.0)
    assert head.date_line() == "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n"


HINTS = """
def app(environ, start_response):
    hint = environ["wsgi.early_hints"]
    hint([("Link", "</a.css>; rel=preload")])
    for wrong in ([("Link", "a\\r\\nSet-Cookie: b")], [("Li nk", "a")]):
        try:
            hint(wrong)
        except Exception as error:
            hint([("X-Refused", type(error).__name__)])
    start_response("200 OK", [("Content-Length", "2")])
    yield b"o"
    hint([("Link", "too late")])
    yield b"k"
"""


def test_early_hints_go_out_before_the_answer_to_clients_that_know_them(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, HINTS)) as server:
        for version in (b"1.1", b"1.0"):
            sent = exchange(server, b"GET / HTTP/" + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            *hints, last = sent.split(b"HTTP/1.1 ")[1:]
            assert last.startswith(b"200 OK\r\n")
            assert last.endswith(b"\r\n\r\nok")
            assert [hint.split(b"\r\n")[1] for hint in hints] == (
                [
                    b"Link: </a.css>; rel=preload",
                    b"X-Refused: InvalidResponseHeader",
                    b"X-Refused: InvalidResponseHeaderName",
                ]
                if version == b"1.1"
                else []
            )


@pytest.mark.parametrize(
    ("headers", "sent", "closes"),
    [
        ([("Connection", "close"), ("X-A", "b")], [b"Connection: close", b"X-A: b"], True),
        ([("Connection", "Upgrade"), ("Upgrade", "WebSocket")], [b"Connection: upgrade", b"Upgrade: WebSocket"], False),
        ([("Upgrade", "h2c")], [b"Connection: keep-alive"], False),
        ([("Server", "own"), ("Date", "now"), ("TE", "x")], [b"Connection: keep-alive"], False),
    ],
)
def test_of_a_connection_the_application_has_a_say_in_its_upgrade_alone(
    headers: list[tuple[str, str]], sent: list[bytes], closes: bool
) -> None:
    wire, theirs = Wire(), Wire()
    request = made("GET", (1, 1), closes)
    found = answered(Response(request, wire), wire, "200 OK", [*headers, ("Content-Length", "0")], b"")  # type: ignore[arg-type]
    assert found == answered(
        wsgi.Response(request, theirs, Config()), theirs, "200 OK", [*headers, ("Content-Length", "0")], b""
    )
    assert set(sent) <= set(wire.sent.split(b"\r\n"))


def test_made_up_names_are_told_apart_and_not_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "_MOST_NAMES", len(head.kinds))
    before = dict(head.kinds)
    assert head.kinds["X-Made-Up-Now"] is head.Kind.PLAIN
    assert head.kinds["TraiLers"] is head.Kind.SERVERS
    assert dict(head.kinds) == before


def test_a_body_where_none_may_be_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    response: Any = Response(made("GET", (1, 1), False), wire)  # type: ignore[arg-type]
    response.start_response("204 No Content", [])
    response.write(b"a")
    response.write(b"b")
    response.close()
    assert wire.sent.endswith(b"\r\n\r\n")
    assert len(caplog.records) == 1


def test_what_is_more_than_the_length_is_not_sent() -> None:
    wire = Wire()
    response: Any = Response(made("GET", (1, 1), False), wire)  # type: ignore[arg-type]
    response.start_response("200 OK", [("Content-Length", "3")])
    response.write(b"abcd")
    response.write(b"e")
    response.close()
    assert wire.sent.endswith(b"\r\n\r\nabc")
