"""A log that nobody reads holds nothing up, and says later what was lost."""

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nodrop.logs import pipe
from tests.log_lines import answers
from tests.serving_process import Server, command, environment, free_port, own_application, request, until

PIPE_BUF = 4096


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


@contextmanager
def unread(folder: Path, **variables: str) -> Iterator[tuple[Server, bytearray]]:
    """A server whose log nobody reads, except `read_on` and, once it has ended, this: into the bytearray."""
    port, management_port = free_port(), free_port()
    environ = environment(PORT=str(port), MANAGEMENT_PORT=str(management_port), **variables)
    with subprocess.Popen(command(), cwd=folder, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout
        server, log = Server(process, port, management_port, folder / "none"), bytearray()  # type: ignore[arg-type]
        try:
            until("ready", server.is_ready)
            yield server, log
        finally:
            process.terminate()
            os.set_blocking(process.stdout.fileno(), True)
            log += process.stdout.read()


def read_on(server: Server, log: bytearray) -> None:
    """Read what there is of the log."""
    stdout: Any = server.process.stdout
    os.set_blocking(stdout.fileno(), False)
    log += stdout.read() or b""


def held_by(server: Server) -> int:
    """Bytes in the pipe."""
    stdout: Any = server.process.stdout
    return int.from_bytes(fcntl.ioctl(stdout.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


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


@pytest.mark.alone
def test_a_log_that_nobody_reads_holds_nothing_up_and_says_later_what_was_lost(tmp_path: Path) -> None:
    with unread(tmp_path, LOG_FORMAT="json") as (server, log):
        # A pipe holds 64 KiB, and a line is some 400 bytes. The reader is waited for, but not by requests.
        longest, number, first = 0.0, 0, time.monotonic()
        while number < 600 or time.monotonic() - first < 4:
            began = time.monotonic()
            assert server.get(f"/echo?{number}").status == 200
            longest = max(longest, time.monotonic() - began)
            number += 1
            if number % 100 == 99:
                assert server.manage("/livez").status == server.manage("/readyz").status == 200
        assert longest < 0.5
        read_on(server, log)
        server.get("/echo?page=after")

        def written_again() -> bool:
            read_on(server, log)
            return b"=after" in log

        until("it is written again", written_again)
    lines = [json.loads(line) for line in log.splitlines()]
    # Told more than once if a short line still had room, in a page where those before it had none.
    lost = sum(int(line["message"].split()[0]) for line in lines if "lines were lost" in line["message"])
    assert lost > 300
    assert lost + sum("/echo?" in line.get("url", "") for line in lines) == number + 1


@pytest.mark.alone
def test_room_is_waited_for_and_a_long_line_needs_an_empty_pipe(tmp_path: Path) -> None:
    with full_pipe(0) as (reading, writing):
        began = time.monotonic()
        assert not pipe.has_room(writing, 10, 0.2)
        assert 0.2 <= time.monotonic() - began < 1
        os.read(reading, PIPE_BUF)
        assert pipe.has_room(writing, PIPE_BUF, 0)
        # The rest may be in pages of its own, each with a part of a line.
        assert not pipe.has_room(writing, PIPE_BUF + 1, 0)
        assert not pipe.has_room(writing, PIPE_BUF + 1, 0.05)
        while os.read(reading, 1 << 20) and not pipe.is_empty(writing):
            pass
        assert pipe.has_room(writing, 16 * 1024, 0)
    with (tmp_path / "log").open("w") as file:
        assert pipe.has_room(file.fileno(), 1 << 20, 0)


def test_what_another_program_has_made_non_blocking_is_waited_for() -> None:
    with full_pipe(0) as (reading, writing), ThreadPoolExecutor(1) as reader:
        reader.submit(lambda: (time.sleep(0.2), os.read(reading, 1 << 20)))  # type: ignore[func-returns-value]
        pipe.write(writing, b"line\n")
        assert os.read(reading, 1 << 20).endswith(b"line\n")
    with full_pipe(0) as (_, writing):
        began = time.monotonic()
        pipe.write(writing, b"lost\n")
        assert 0.9 < time.monotonic() - began < 3


WITH_A_CHECK = """
import flask, pathlib
app = flask.Flask(__name__)
down = pathlib.Path(__file__).with_name("down")
def database(): return not down.exists()
"""


@pytest.mark.alone
def test_no_probe_waits_for_a_log_that_nobody_reads(tmp_path: Path) -> None:
    """What the probe is told changes while the pipe is full, so that it has something to log."""
    variables = own_application(tmp_path, WITH_A_CHECK)
    variables |= {"READINESS_CHECKS": "own:database", "READINESS_CHECK_INTERVAL": "1", "READINESS_CHECK_TIMEOUT": "1"}
    with unread(tmp_path, **variables) as (server, _):
        held, more = -1, 0
        while more != held:
            held = more
            for _ in range(20):
                server.get(f"/{'x' * 1000}")
            time.sleep(0.1)
            more = held_by(server)
        assert held > 50_000, "the pipe was not full"
        (tmp_path / "down").touch()
        longest, status = 0.0, 200
        deadline = time.monotonic() + 10
        while status == 200 and time.monotonic() < deadline:
            began = time.monotonic()
            status = server.manage("/readyz").status
            longest = max(longest, time.monotonic() - began)
        assert status == 503
        assert longest < 0.5


LOGGING = """
import logging, time
from nodrop.logs import output as logs
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
        assert not pipe.write(writing, b"lost\n", 0)
        assert os.get_blocking(writing)


def test_where_a_write_that_does_not_wait_is_forbidden_an_ordinary_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EPERM, "forbidden")

    monkeypatch.setattr(os, "pwritev", forbidden)
    with full_pipe(16) as (reading, writing):
        assert pipe.write(writing, b"line\n")
        assert os.read(reading, 1 << 20).endswith(b"line\n")
