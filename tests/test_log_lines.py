"""Access lines: made without a record and written a few together, the same lines in the same order, and none lost."""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from hypothesis import example, given
from hypothesis import strategies as st

from nodrop.logs import lines, pipe
from nodrop.logs.access import access_fields, access_message
from nodrop.logs.access_json import access_json
from nodrop.logs.formats import ACCESS, JsonFormatter
from nodrop.logs.gunicorn_logger import Logger
from nodrop.logs.lines import Lines
from nodrop.logs.masking import known_secrets
from nodrop.logs.output import StandardOutput
from tests.serving_process import environment, until

# --- What they say ---------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=60) | st.sampled_from(
    ["", "/orders/17?page=2&token=abc", "/reset/x81bc0a9d77fe12ab34", "Bearer eyJhbGciOi.x.y", "a" * 500, "/" * 3000,
     "http://bob:hunter22@host/", "known-secret-1", "\ud800 \x00\"\\", "/users/<token>", "10.1.2.3", "\U0001f600" * 90]
)  # fmt: skip
NAMES = ("RAW_URI", "REMOTE_ADDR", "REQUEST_METHOD", "HTTP_HOST", "SERVER_PROTOCOL", "HTTP_USER_AGENT", "HTTP_REFERER",
         "nodrop.route", "nodrop.prefix", "nodrop.request_id", "nodrop.trace_id", "nodrop.span_id",
         "HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_API_KEY")  # fmt: skip
ENVIRON = st.dictionaries(st.sampled_from(NAMES), TEXT)
STATUS = st.sampled_from(["200 OK", "404 Not Found", 503, None, "299"])
NUMBER = st.floats(0, 1e9)


def of_a_record(resp: Any, environ: dict[str, Any], milliseconds: float, now: int) -> bytes:
    """The line that the formatter makes."""
    fields = access_fields(resp, environ, milliseconds)
    record = logging.LogRecord(ACCESS, logging.INFO, "x", 1, "%s", (access_message(fields),), None)
    record.created, record.fields = now / 1e9, fields
    return JsonFormatter().format(record).encode() + b"\n"


@given(environ=ENVIRON, status=STATUS, sent=st.integers(0, 2**63), ms=NUMBER, queued=NUMBER, now=st.integers(0, 2**31))
@example(environ={}, status=None, sent=0, ms=0.0, queued=0.0, now=0)
@example(
    environ={"RAW_URI": "/t/ownsecret9", "HTTP_COOKIE": "sid=ownsecret9"}, status=200, sent=1, ms=1.0, queued=0.5, now=1
)
def test_a_line_that_is_made_without_a_record_is_the_same(
    environ: dict[str, Any], status: Any, sent: int, ms: float, queued: float, now: int
) -> None:
    """Where it can't be, because a text is long or has the request's credentials in it, none is made."""
    known_secrets.hide("known-secret-1")
    response = type("R", (), {"status": status, "sent": sent})
    environ["nodrop.queued_ms"] = queued
    nanoseconds = now * 1_000_000_000 + now % 1000 * 1_000_000
    is_plain = sum(map(len, map(str, environ.values()))) < 200 and not {*environ} & {*NAMES[-3:]}
    make = access_json(response, environ, ms, nanoseconds)
    expected = of_a_record(response, environ, ms, nanoseconds)
    environ.clear()
    if make is not None or is_plain:
        assert make
        assert make() == expected


@pytest.mark.parametrize(
    "strange", [{"nodrop.span_id": 7}, {"nodrop.queued_ms": 3}, {"nodrop.request_id": "x" * 20_000}, {"RAW_URI": 5}]
)
def test_what_an_application_has_put_in_the_environment_is_left_to_the_record(strange: dict[str, Any]) -> None:
    response = type("R", (), {"status": "200 OK"})
    assert access_json(response, {"nodrop.queued_ms": 0.5, **strange}, 1.0, time.time_ns()) is None


class Kept(logging.Handler):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logger]:
    """gunicorn's logger as in a worker, whose lines go to `written`."""
    monkeypatch.setenv("LOG_FORMAT", "json")
    root = logging.getLogger()
    kept = root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    cfg = Config()
    cfg.set("accesslog", "-")
    monkeypatch.setattr(lines.standard_output, "_descriptor", os.open(os.devnull, os.O_WRONLY))
    logger = Logger(cfg)
    yield logger
    root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
    logging.captureWarnings(False)
    for name in ("gunicorn.error", ACCESS):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).filters.clear()


def access(log: Logger) -> list[dict[str, Any]]:
    """What is put there, without a record, for a request."""
    put: list[Callable[[], bytes]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodrop.logs.gunicorn_logger.standard_output", SimpleNamespace(put=put.append))
        log.access(SimpleNamespace(status="200 OK", sent=1), None, {"RAW_URI": "/x"}, datetime.timedelta(0))
    return [json.loads(make()) for make in put]


def test_an_access_line_takes_no_record_unless_somebody_wants_one(log: Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler, a filter, a factory of records, or what a library puts in the place of the logging module's own."""
    # Without those of pytest.
    log.access_log.handlers = [each for each in log.access_log.handlers if type(each) is StandardOutput]
    assert [line["url"] for line in access(log)] == ["/x"]
    kept = Kept()
    log.access_log.addHandler(kept)
    assert access(log) == []
    assert [record.getMessage() for record in kept.records] == [" /x 200 0.0 ms"]
    log.access_log.removeHandler(kept)
    seen: list[logging.LogRecord] = []
    log.access_log.addFilter(lambda record: not seen.append(record))  # type: ignore[func-returns-value]
    assert access(log) == []
    assert len(seen) == 1
    log.access_log.filters.clear()
    assert len(access(log)) == 1
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda _, record: seen.append(record))
    assert access(log) == []
    assert len(seen) == 2
    monkeypatch.undo()
    logging.setLogRecordFactory(type("Own", (logging.LogRecord,), {}))
    assert access(log) == []
    logging.setLogRecordFactory(logging.LogRecord)
    log.access_log.setLevel(logging.WARNING)
    assert access(log) == []
    log.access_log.setLevel(logging.INFO)
    assert len(access(log)) == 1


# --- How they are written --------------------------------------------------------------------------------------------


@contextmanager
def piped(pages: int | None = None) -> Iterator[tuple[Lines, int]]:
    """Lines for a pipe, and its other end. pages: how many it has room for, if it is nearly full."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    if pages is not None:
        for _ in range(16 - pages):
            os.write(writing, b"x" * 4096)
    made = Lines(writing)
    made.line_about = lambda lost: b"%d lost\n" % lost
    try:
        yield made, reading
    finally:
        made.close()
        os.close(writing)
        os.close(reading)


def read(reading: int) -> list[bytes]:
    """The lines in the pipe."""
    try:
        return os.read(reading, 1 << 20).lstrip(b"x").splitlines()
    except BlockingIOError:
        return []


def read_lines(reading: int, number: int) -> list[bytes]:
    """So many lines from the pipe, as they come."""
    came: list[bytes] = []

    def there() -> bool:
        came.extend(read(reading))
        return len(came) >= number

    until(f"{number} lines are written", there)
    return came


def numbered(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def test_a_line_that_comes_alone_is_written_at_once() -> None:
    with piped() as (written, reading):
        written.put(b"0\n")
        assert read(reading) == [b"0"]
        assert not written._runs


def test_lines_that_come_fast_are_written_together_and_the_last_of_them_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a busy machine takes for putting them.
    monkeypatch.setattr(lines, "FLUSH_SECONDS", 5)
    with piped() as (written, reading):
        for number in range(lines.BATCH_LINES * 2):
            written.put(b"%d\n" % number)
        came = read(reading)
        assert len(came) < lines.BATCH_LINES * 2
        began = time.monotonic()
        while len(came) < lines.BATCH_LINES * 2:
            came += read(reading)
        assert time.monotonic() - began < 15
        assert came == numbered(*range(lines.BATCH_LINES * 2))


def test_no_line_overtakes_another() -> None:
    with piped() as (written, reading):
        for number in range(0, 200, 2):
            written.put(b"%d\n" % number)
            if number % 6 == 0:
                written.write(b"%d\n" % (number + 1))
        written.close()
        expected = [each for n in range(0, 200, 2) for each in ((n, n + 1) if n % 6 == 0 else (n,))]
        assert read(reading) == numbered(*expected)


def test_a_piece_has_whole_lines_that_the_kernel_keeps_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []

    def write_whole(_descriptor: int, data: bytes, _seconds: float) -> int:
        pieces.append(data)
        return len(data)

    monkeypatch.setattr(pipe, "write_whole", write_whole)
    with piped() as (written, _):
        for length in (1, 4096, 100, 3995, 1, 5000, 50) * 3:
            written._waiting.append(b"x" * (length - 1) + b"\n")
        written.close()
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= 4096 or piece.count(b"\n") == 1 for piece in pieces)
    assert len(pieces) < 21


def test_a_line_that_can_not_be_made_is_told_and_keeps_nothing_from_being_written() -> None:
    with piped() as (written, reading):
        written.put(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        written.write(b"1\n")
        told, line = read(reading)
        assert json.loads(told)["message"] == "a line was lost: ZeroDivisionError"
        assert line == b"1"


@pytest.mark.alone
def test_putting_a_line_never_waits_and_what_has_no_room_comes_when_there_is_some() -> None:
    with piped(0) as (written, reading):
        began = time.monotonic()
        for number in range(100):
            written.put(b"%d\n" % number)
        assert time.monotonic() - began < 0.5
        came: list[bytes] = []
        while len(came) < 100:
            came += read(reading)
        assert came == numbered(*range(100))


def test_a_reader_that_has_stopped_is_waited_for_once_and_told_what_it_has_missed() -> None:
    with piped(0) as (written, reading):
        written.patience = 2
        for number in range(100):
            written.put(b"%d\n" % number)
        until("they are given up", lambda: written._lost == 100)
        began = time.monotonic()
        written.write(b"100\n")
        assert time.monotonic() - began < 1
        read(reading)
        written.put(b"101\n")
        assert read_lines(reading, 2) == [b"101 lost", b"101"]
        written.put(b"102\n")
        assert read_lines(reading, 1) == [b"102"]


def test_not_more_lines_are_kept_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_WAITING", 10)
    monkeypatch.setattr(lines, "FLUSH_SECONDS", 0.5)
    with piped(0) as (written, reading):
        for number in range(15):
            written.put(b"%d\n" % number)
        assert len(written._waiting) <= 10
        came: list[bytes] = []
        while not (lost := [line for line in came if line.endswith(b"lost")]) or len(came) < 16 - int(lost[0][:2]):
            came += read(reading)
        # The thread may have taken one already, which makes room for another.
        assert lost in ([b"5 lost"], [b"4 lost"])
        assert [line for line in came if line not in lost] == numbered(*range(len(came) - 1))


def test_where_no_thread_can_be_had_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the application has replaced threads by greenlets, and when the process is about to end."""
    with piped() as (written, reading):
        monkeypatch.setattr("_thread.start_new_thread", lambda *_: None)
        for number in range(3):
            written.put(b"%d\n" % number)
        assert read(reading) == numbered(0, 1, 2)
        assert not written._runs
    with piped() as (written, reading):
        monkeypatch.undo()
        monkeypatch.setattr(lines, "Thread", NoThread)
        for number in range(3):
            written.put(b"%d\n" % number)
        assert read(reading) == numbered(0, 1, 2)


class NoThread:
    """As where the limit of threads is reached."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_child_has_none_of_its_parents_lines() -> None:
    with piped(0) as (written, reading):
        for number in range(5):
            written.put(b"%d\n" % number)
        child = os.fork()
        if not child:
            os.read(reading, 4096)
            written.put(b"child\n")
            os._exit(len(written._waiting))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        came: list[bytes] = []
        while len(came) < 6:
            came += read(reading)
        written.close()
        assert sorted([*came, *read(reading)]) == [*numbered(*range(5)), b"child"]


ENDS = {
    "returns": "",
    "exits": "import sys; sys.exit(3)",
    "fails": "raise ValueError('at the end')",
    "exits as at SIGQUIT": "import atexit, os; atexit._run_exitfuncs(); os._exit(0)",
    "is killed a moment later": "import os, time; time.sleep(2); os.kill(os.getpid(), 9)",
    "crashes a moment later": "import ctypes, time; time.sleep(2); ctypes.string_at(0)",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_waits_is_written_when_the_process_ends(end: str) -> None:
    """At once, unless it can run no code at its end; and what other functions of atexit put there, too."""
    code = (
        "import atexit\nfrom nodrop.logs.lines import standard_output\n"
        "for number in range(5): standard_output.put(b'%d\\n' % number)\n" + end
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
    assert ended.stdout.split() == numbered(0, 1, 2, 3, 4), ended.stderr


def test_what_is_put_there_at_the_very_end_is_written_at_once() -> None:
    code = """
import atexit
from nodrop.logs.lines import standard_output
atexit.register(lambda: [standard_output.put(b"%d\\n" % number) for number in (3, 4, 5)])
for number in range(3): standard_output.put(b"%d\\n" % number)
"""
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True)
    assert ended.stdout.split() == numbered(*range(6))
