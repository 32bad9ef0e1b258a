"""Which request it is: its ids reach the application, its log, its answer, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodrop import current_request
from nodrop.wsgi import traceparent
from nodrop.wsgi.body import Watcher, call
from nodrop.wsgi.request_context import RequestContextMiddleware
from tests.log_lines import find
from tests.raw import exchange
from tests.serving_process import Server, request, serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one thread, which is used by one request after the other."""
    folder = tmp_path_factory.mktemp("talkative")
    with serving(folder, WSGI_APP="tests.talkative:app", WEB_THREADS="1") as server:
        yield server


# --- The request's id -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_id", ["a", "x" * 128, "Root=1-67891233-abcdef012345678912345678", "A.b_c~d+e/f=g:h@i-9"]
)
def test_a_well_formed_request_id_is_kept_and_returned(talkative: Server, given_id: str) -> None:
    answer = talkative.get("/environ", headers={"X-Request-ID": given_id})
    assert answer.headers["x-request-id"] == given_id
    assert answer.json()["nodrop.request_id"] == answer.json()["HTTP_X_REQUEST_ID"] == given_id


@pytest.mark.parametrize(
    "sent", ["X-Request-ID: " + bad for bad in ["", "x" * 129, "a b", 'a"b', "a,b", "é", "{}", "a;b"]] + [
        "X-Request-ID: one\r\nX-Request-ID: two"
    ],
)  # fmt: skip
def test_a_malformed_request_id_is_replaced(talkative: Server, sent: str) -> None:
    raw = exchange(
        talkative, f"GET /environ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{sent}\r\n\r\n".encode("latin-1")
    )
    made = re.findall(rb"(?im)^x-request-id: ([0-9a-f]{32})\r$", raw)
    assert len(made) == 1
    assert raw.count(made[0]) >= 3  # and the same to the application


def test_every_request_without_an_id_gets_another(talkative: Server) -> None:
    assert len({talkative.get("/environ").headers["x-request-id"] for _ in range(20)}) == 20


def test_an_id_that_the_application_returns_is_left_alone(talkative: Server) -> None:
    raw = exchange(talkative, b"GET /own-id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"(?im)^x-request-id: (.*)\r$", raw) == [b"mine"]


# --- The trace ------------------------------------------------------------------------------------------------------


def test_a_trace_is_carried_on_with_a_span_of_our_own(talkative: Server) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=value"}
    seen = talkative.get("/environ", headers=headers).json()
    assert (seen["nodrop.trace_id"], seen["nodrop.sampled"]) == (TRACE, True)
    assert re.fullmatch("[0-9a-f]{16}", seen["nodrop.span_id"])
    assert seen["nodrop.span_id"] != PARENT
    assert seen["HTTP_TRACEPARENT"] == seen["nodrop.traceparent"] == f"00-{TRACE}-{seen['nodrop.span_id']}-01"
    assert seen["HTTP_TRACESTATE"] == "vendor=value"


def test_without_a_trace_one_begins_that_is_not_sampled_and_not_taken_for_a_callers(talkative: Server) -> None:
    first, second = (talkative.get("/environ").json() for _ in range(2))
    assert first["nodrop.trace_id"] != second["nodrop.trace_id"]
    assert first["nodrop.sampled"] is False
    assert first["nodrop.traceparent"] == f"00-{first['nodrop.trace_id']}-{first['nodrop.span_id']}-02"
    assert "HTTP_TRACEPARENT" not in first


INVALID = [
    "",
    f"ff-{TRACE}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-01-more",
    f"00-{TRACE}-{PARENT}-01-",
    f"01-{TRACE}-{PARENT}-01more",
    f"00-{TRACE}-{PARENT}-1",
    f"0-{TRACE}-{PARENT}-01",
    f"00-{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
    f"cc-{TRACE}-{PARENT}-01-x,cc-{TRACE}-{PARENT}-01-x",
    f"00_{TRACE}_{PARENT}_01",
    f"00-{TRACE}-{PARENT}-0\u0661",
]


@pytest.mark.parametrize("header", INVALID)
def test_what_the_specification_forbids_is_refused(header: str) -> None:
    assert traceparent.parse(header) is None


def test_an_invalid_trace_and_its_state_are_not_passed_on(talkative: Server) -> None:
    headers = {"traceparent": f"00-{TRACE.upper()}-{PARENT}-01", "tracestate": "vendor=value"}
    seen = talkative.get("/environ", headers=headers).json()
    assert seen["nodrop.trace_id"] != TRACE
    assert not seen.keys() & {"HTTP_TRACEPARENT", "HTTP_TRACESTATE"}


def test_two_traces_are_none(talkative: Server) -> None:
    header = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n"
    raw = exchange(talkative, f"GET /environ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header * 2}\r\n".encode())
    assert b" 200 " in raw
    assert TRACE.encode() not in raw


@pytest.mark.parametrize("version", ["01", "cc", "fe"])
@pytest.mark.parametrize("rest", ["", "-", "-what the future holds"])
def test_later_versions_are_read_as_far_as_they_are_known(version: str, rest: str) -> None:
    parsed = traceparent.parse(f"{version}-{TRACE}-{PARENT}-ff{rest}")
    assert parsed == (TRACE, PARENT, traceparent.SAMPLED)


HEX = "0123456789abcdef"
ids = st.tuples(st.text(HEX, min_size=32, max_size=32), st.text(HEX, min_size=16, max_size=16)).filter(
    lambda pair: pair[0].strip("0") and pair[1].strip("0")
)


@given(ids, st.integers(0, 3))
def test_what_is_written_is_read_again(pair: tuple[str, str], flags: int) -> None:
    written = traceparent.TraceParent(*pair, flags)
    assert traceparent.parse(str(written)) == written


def allowed(header: str) -> bool:
    """What the specification says, field by field, apart from how the parser does it."""
    fields = header.split("-", 4)
    if len(fields) < 4 or "," in header or (len(fields) == 5 and fields[0] == "00"):
        return False
    hexadecimal = all(set(field) <= set(HEX) for field in fields[:4])
    lengths = [len(field) for field in fields[:4]] == [2, 32, 16, 2]
    return hexadecimal and lengths and fields[0] != "ff" and {*fields[1]} != {"0"} and {*fields[2]} != {"0"}


pieces = st.sampled_from([*HEX, "A", "F", "-", ",", " ", "\n", "00", "ff", "0" * 32, "0" * 16, TRACE, PARENT, "٣"])
nearly = st.tuples(
    st.sampled_from(["00", "01", "ff", "FF", "0", ""]),
    st.sampled_from([TRACE, "0" * 32, TRACE.upper(), TRACE + "0", "g" * 32]),
    st.sampled_from([PARENT, "0" * 16, PARENT[1:], "G" * 16]),
    st.sampled_from(["00", "01", "ff", "FF", "1", "001"]),
).map("-".join)


@given(st.one_of(st.lists(pieces, max_size=12).map("".join), st.tuples(nearly, st.lists(pieces, max_size=2)).map(
    lambda parts: parts[0] + "".join(parts[1])
), st.text()))  # fmt: skip
def test_nothing_is_read_but_what_the_specification_allows(header: str) -> None:
    assert (traceparent.parse(header) is not None) == allowed(header)


# --- The log --------------------------------------------------------------------------------------------------------


def test_the_applications_own_lines_carry_the_ids(talkative: Server) -> None:
    headers = {"X-Request-ID": "own-lines", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    talkative.get("/users/ada", headers=headers)
    line = find(talkative, lambda entry: entry["message"] == "hello ada")
    access = find(talkative, lambda entry: entry.get("url") == "/users/ada")
    assert (line["logger"], line["request_id"], line["trace_id"]) == ("talkative", "own-lines", TRACE)
    assert {name: access[name] for name in ("request_id", "trace_id", "span_id")} == {
        name: line[name] for name in ("request_id", "trace_id", "span_id")
    }


def test_so_do_those_of_a_streamed_answer_to_its_end(talkative: Server) -> None:
    assert talkative.get("/stream", headers={"X-Request-ID": "streamed"}).body == b"0\n1\n2\n"
    for message in ("part 0", "part 2", "closed"):
        assert find(talkative, lambda entry, m=message: entry["message"] == m)["request_id"] == "streamed"  # type: ignore[misc]


def test_the_line_about_an_exception_carries_them(tmp_path: Path) -> None:
    with serving(tmp_path, WSGI_APP="tests.talkative:plain") as server:
        assert server.get("/", headers={"X-Request-ID": "plain-1"}).headers["x-request-id"] == "plain-1"
        assert server.get("/fail", headers={"X-Request-ID": "plain-2"}).status == 500
        line = find(server, lambda entry: "failed before an answer" in entry.get("traceback", ""))
        assert line["request_id"] == "plain-2"


def test_the_line_about_an_exception_in_a_stream_carries_them(talkative: Server) -> None:
    with pytest.raises((HTTPException, OSError)):  # which one depends on how much was sent
        request(talkative.port, "/fail-in-stream", headers={"X-Request-ID": "half-way"})
    line = find(talkative, lambda entry: "failed half way" in entry.get("traceback", ""))
    assert line["request_id"] == "half-way"


def test_what_is_logged_after_a_request_does_not_carry_them(talkative: Server) -> None:
    talkative.get("/users/before", headers={"X-Request-ID": "before"})
    assert b" 400 " in exchange(talkative, b"after\r\n\r\n")
    line = find(talkative, lambda entry: "Invalid" in entry["message"])
    assert "request_id" not in line


# --- The middleware by itself ---------------------------------------------------------------------------------------


def run(application: Any, **environ: Any) -> Any:
    """Call the middleware around `application`."""
    return RequestContextMiddleware(application)({"REQUEST_METHOD": "GET", **environ}, lambda *_: print)


def test_it_is_over_when_the_answer_is_closed_and_not_before() -> None:
    during: list[str] = []

    def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for _ in range(2):
            during.append(getattr(current_request.current(), "request_id", "none"))
            yield b""

    body = run(application, HTTP_X_REQUEST_ID="one")
    list(body)
    assert during == ["one", "one"]
    assert current_request.current() is not None
    body.close()
    assert current_request.current() is None


def test_it_is_over_when_the_application_fails() -> None:
    def application(_environ: Any, _start_response: Any) -> Any:
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        run(application, HTTP_X_REQUEST_ID="one")
    assert current_request.current() is None
    ended = current_request.context_of(caught.value)
    assert ended
    assert ended.request_id == "one"


def test_it_is_over_when_the_answer_can_not_be_iterated() -> None:
    with pytest.raises(TypeError):
        run(lambda _environ, _start: None)
    assert current_request.current() is None


def test_a_list_stays_a_list() -> None:
    assert run(lambda _environ, _start: [b"x"]) == [b"x"]
    assert current_request.current() is None


def test_a_file_stays_what_the_server_can_send_by_itself() -> None:
    file = BytesIO(b"content")
    body = run(lambda environ, _: environ["wsgi.file_wrapper"](file), **{"wsgi.file_wrapper": FileWrapper})
    assert type(body) is FileWrapper
    assert current_request.current() is not None
    body.close()
    body.close()
    assert file.closed
    assert current_request.current() is None


def test_a_file_is_sent_by_a_real_server(talkative: Server) -> None:
    answer = talkative.get("/file", headers={"X-Request-ID": "file"})
    assert (answer.status, answer.headers["x-request-id"]) == (200, "file")
    assert b"An application that logs in every way" in answer.body


def test_an_answer_that_has_nothing_to_close_ends_its_request_once() -> None:
    happened: list[str] = []

    class Telling(Watcher):
        def failed(self, error: BaseException) -> None:
            happened.append(repr(error))

        def closed(self) -> None:
            happened.append("closed")

    body: Any = call(lambda *_: iter([b"part"]), {}, lambda *_: lambda _: None, Telling())
    assert list(body) == [b"part"]
    body.close()
    body.close()
    assert happened == ["closed"]


class Told(Watcher):
    """Notes what it is told."""

    def __init__(self, name: str, happened: list[str]) -> None:
        self._name, self._happened = name, happened

    def failed(self, error: BaseException) -> None:
        self._happened.append(f"{self._name} failed: {error}")

    def closed(self) -> None:
        self._happened.append(f"{self._name} closed")


def watched_twice(answer: Any, happened: list[str]) -> Any:
    """An answer that is watched by one for its pieces, and by another further out for its end."""

    def inner(environ: Any, start_response: Any) -> Any:
        return call(answer, environ, start_response, Told("inner", happened))

    return call(inner, {}, lambda *_: lambda _: None, Told("outer", happened), ends_only=True)


class Failing:
    """A body that fails where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __iter__(self) -> Iterator[bytes]:
        yield b"part"
        if self._where == "iteration":
            raise ValueError("iteration")

    def close(self) -> None:
        if self._where == "close":
            raise ValueError("close")


@pytest.mark.parametrize("where", ["nowhere", "iteration", "close"])
def test_an_answer_that_is_watched_already_is_not_wrapped_again_and_both_are_told(where: str) -> None:
    happened: list[str] = []
    body = watched_twice(lambda *_: Failing(where), happened)
    assert next(body) == b"part"
    with pytest.raises(ValueError) if where != "nowhere" else nullcontext():  # noqa: PT011
        list(body)
        body.close()
    body.close()
    failures = [] if where == "nowhere" else [f"inner failed: {where}", f"outer failed: {where}"]
    assert happened == [*failures, "inner closed", "outer closed"]
    with pytest.raises(StopIteration):
        next(body)


def test_both_are_told_when_the_application_fails_or_answers_with_a_list() -> None:
    happened: list[str] = []
    with pytest.raises(ZeroDivisionError):
        watched_twice(lambda *_: 1 // 0, happened)
    assert [each.split()[:2] for each in happened] == [
        ["inner", "failed:"], ["inner", "closed"], ["outer", "failed:"], ["outer", "closed"]
    ]  # fmt: skip
    happened.clear()
    body = watched_twice(lambda *_: [b"part"], happened)
    assert list(body) == [b"part"]
    assert happened == []
    body.close()
    assert happened == ["inner closed", "outer closed"]
