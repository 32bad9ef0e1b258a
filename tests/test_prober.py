"""The measuring instrument, measured: a prober against a server that fails on command."""

import os
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import prober as prober_module
from harness import prober as harness_prober
from harness.records import MAX_LATENESS_SECONDS, Figures, InvalidRun, parse, percentile
from prober import Record
from tests.fast_server import fast_server
from tests.faulty_server import Behaviour, faulty_server
from tests.probing import PROBER, command, cost, probe, probing, records_in
from tests.serving_process import request, until
from traffic import KINDS, Traffic

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def program() -> Path:
    """The folder of the prober's files."""
    return PROBER


def errors(records: list[Record]) -> dict[int, str]:
    """The failed requests, and the class of error of each."""
    return {record.number: record.error for record in records if record.error}


def ok(_: int) -> str:
    """Nothing is wrong."""
    return "ok"


def behaving(faults: dict[int, str]) -> Behaviour:
    """A server that has these faults for these requests and answers the others."""
    return lambda number: faults.get(number, "ok")


# --- Every request is there, and counted for what it was --------------------------------------------------------------


@kinds
def test_every_request_is_sent_once_and_recorded(tmp_path: Path, program: Path, kind: str) -> None:
    with faulty_server(ok) as server:
        records = probe(server.port, tmp_path, kind=kind, count=150, program=program)
    assert [record.number for record in records] == list(range(150))
    assert server.received == dict.fromkeys(range(150), 1)
    assert all((r.status, r.host, r.version, r.error) == (200, "pod", "1", "") for r in records)
    assert all(r.scheduled <= r.sent <= r.first_byte <= r.done for r in records)
    due = [records[0].scheduled + number / 100 for number in range(150)]
    assert [record.scheduled for record in records] == pytest.approx(due, abs=2e-6)


FAULTS = {
    3: ("reset", "reset"),
    20: ("close", "closed"),
    21: ("short", "closed"),
    22: ("half-closed", "closed"),
    40: ("hang", "timeout"),
    41: ("drip 10", "timeout"),
    42: ("delay 10", "timeout"),
    60: ("status 503", "status-503"),
    61: ("status 404", "status-404"),
    62: ("moved 1", "status-307"),
    80: ("other", "body"),
    81: ("run", "body"),
    82: ("garbage", "not-http"),
    83: ("excess", "not-http"),
    119: ("reset", "reset"),
}


@kinds
def test_every_fault_is_counted_once_under_its_class_and_not_retried(tmp_path: Path, program: Path, kind: str) -> None:
    with faulty_server(behaving({number: fault for number, (fault, _) in FAULTS.items()})) as server:
        records = probe(server.port, tmp_path, kind=kind, count=120, options=["--timeout", "3"], program=program)
    expected = {number: error for number, (_, error) in FAULTS.items()}
    assert errors(records) == expected
    assert set(server.received.values()) == {1}
    figures = Figures.of("x", records)
    assert (figures.scheduled, figures.sent, figures.failed) == (120, 120, len(FAULTS))
    assert figures.errors == {error: list(expected.values()).count(error) for error in expected.values()}
    # By when they were due: three in a row from 20 are a gap from 19 to 23, four from 80 one from 79 to 84.
    assert figures.max_gap_s == 0.05
    assert records[41].first_byte, "the first byte of an answer that never ended was seen"
    assert not records[40].first_byte


@kinds
def test_a_connection_that_is_reset_before_anything_is_read_is_a_failure(tmp_path: Path, kind: str) -> None:
    with faulty_server(ok, frozenset({2, 11})) as server:
        records = probe(server.port, tmp_path, kind=kind, count=60)
    assert list(errors(records).values()) == ["reset", "reset"]


@kinds
def test_every_way_in_which_http_ends_an_answer_is_understood(tmp_path: Path, program: Path, kind: str) -> None:
    ways = ("ok", "chunked", "until-close", "delay 0.2", "drip 0.2", "then-close 0")
    with faulty_server(lambda number: ways[number % len(ways)]) as server:
        records = probe(server.port, tmp_path, kind=kind, count=90, rate=50, program=program)
    assert errors(records) == {}
    assert min(r.first_byte - r.sent for r in records if r.number % len(ways) == 3) > 0.15, "a late answer begins late"
    assert min(r.done - r.first_byte for r in records if r.number % len(ways) == 4) > 0.15, "a slow head is timed whole"


@kinds
def test_a_refused_connection_is_a_failure(tmp_path: Path, kind: str) -> None:
    with faulty_server(ok) as server:
        server.close()
        records = probe(server.port, tmp_path, kind=kind, count=20)
    assert errors(records) == dict.fromkeys(range(20), "refused")


@kinds
def test_a_server_that_takes_connections_and_says_nothing_is_a_failure_in_time(tmp_path: Path, kind: str) -> None:
    """Its kernel takes them, as that of a process that is stuck does."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        records = probe(listener.getsockname()[1], tmp_path, kind=kind, count=20, options=["--timeout", "1.2"])
    assert errors(records) == dict.fromkeys(range(20), "timeout")
    assert min(record.done - record.scheduled for record in records) >= 1.2
    assert statistics.median(record.done - record.scheduled for record in records) < 1.5


# --- Connections ------------------------------------------------------------------------------------------------------


@kinds
def test_each_kind_uses_connections_as_it_says(tmp_path: Path, program: Path, kind: str) -> None:
    with faulty_server(ok) as server:
        probe(server.port, tmp_path, kind=kind, count=100, program=program)
    # More than POOL only if requests overlapped.
    assert 100 >= server.connections >= 100 if not KINDS[kind].keeps_connections else server.connections < 40
    assert server.connections >= prober_module.POOL


def test_a_kept_connection_that_the_server_closed_is_not_used_again(tmp_path: Path, program: Path) -> None:
    """Between requests a server may close: that is no failure, and the next request goes out on another."""
    # Late enough that the end is never seen together with the answer, and before the connection's turn comes again.
    with faulty_server(lambda _: "then-close 0.1") as server:
        records = probe(server.port, tmp_path, kind="keep-alive", count=60, rate=50, program=program)
    assert errors(records) == {}
    assert server.connections == 60


@pytest.mark.parametrize("kind", ["keep-alive", "upload"])
def test_a_kept_connection_that_is_reset_at_its_second_request_is_a_failure_each_time(
    tmp_path: Path, program: Path, kind: str
) -> None:
    with faulty_server(lambda _: "reset-reused") as server:
        records = probe(server.port, tmp_path, kind=kind, count=200, program=program)
    # Every connection carries one request that is answered, and one that fails.
    assert server.received.total() == 200
    failed = errors(records)
    assert set(failed.values()) == {"reset"}
    assert len(failed) >= 80
    with faulty_server(lambda _: "reset-reused") as server:
        assert errors(probe(server.port, tmp_path / "new", count=60)) == {}


# --- Content ----------------------------------------------------------------------------------------------------------


def test_every_upload_has_another_body_and_every_other_one_is_chunked(tmp_path: Path) -> None:
    with faulty_server(ok) as server:
        records = probe(server.port, tmp_path, kind="upload", count=40, options=["--body-bytes", "300000"])
    assert errors(records) == {}
    assert {n: b"Transfer-Encoding: chunked" in head for n, head in server.heads.items()} == {
        number: bool(number % 2) for number in range(40)
    }
    assert all((b"Content-Length: 300000" in head) is (n % 2 == 0) for n, head in server.heads.items())
    sent = Traffic(KINDS["upload"], authority="x", run="r", body_bytes=100)
    assert len({sent.body(number) for number in range(10_000)}) == 10_000
    assert {len(sent.body(number)) for number in (0, 7, 4098, 123_456)} == {100}


def test_one_wrong_bit_in_an_upload_is_a_failure(tmp_path: Path, program: Path) -> None:
    with faulty_server(behaving({5: "corrupt", 12: "corrupt"})) as server:
        records = probe(server.port, tmp_path, kind="upload", count=20, program=program)
    assert errors(records) == {5: "body", 12: "body"}


def test_an_answer_that_comes_before_the_body_was_read_is_the_result(tmp_path: Path) -> None:
    """The body is larger than what the kernels hold: who went on sending first would never see the answer."""
    with faulty_server(lambda _: "early 413") as server:
        records = probe(server.port, tmp_path, kind="upload", count=20, options=["--body-bytes", "16000000"], rate=20)
    assert errors(records) == dict.fromkeys(range(20), "status-413")


def test_an_application_that_does_not_echo_is_checked_by_status_and_pattern(tmp_path: Path) -> None:
    own = ["--path", "/shop?page=1", "--expect-body", '"host": *"p.d"', "--host-header", "X-Pod"]
    with faulty_server(behaving({3: "garbage", 4: "status 404"})) as server:
        records = probe(server.port, tmp_path / "found", count=20, options=own)
        assert errors(records) == {3: "not-http", 4: "status-404"}
        assert {(r.host, r.version) for r in records if not r.error} == {("pod-a", "")}
        assert {head.split(b"\r\n")[0] for head in server.heads.values()} == {b"GET /shop?page=1 HTTP/1.1"}
        own[3] = "no such thing"
        assert set(errors(probe(server.port, tmp_path / "not", count=10, options=own)).values()) == {"body"}
    with faulty_server(lambda _: "status 204") as server:
        own = ["--path", "/shop", "--method", "HEAD", "--expect-body", "none", "--expect-status", "204"]
        assert errors(probe(server.port, tmp_path / "head", count=1, options=own)) == {0: "not-http"}


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with faulty_server(ok) as other, faulty_server(lambda _: f"moved {other.port}") as server:
        records = probe(server.port, tmp_path, count=10)
    assert errors(records) == dict.fromkeys(range(10), "status-307")
    assert other.connections == 0


# --- Time -------------------------------------------------------------------------------------------------------------


def test_percentiles_are_those_of_a_known_schedule_of_delays(tmp_path: Path) -> None:
    """Of 1000 requests 15 take 0.6 s, 2 take 1.2 s: the 990th is one of the first, the 999th one of the others."""
    delays = dict.fromkeys(range(100, 850, 50), 0.6) | {300: 1.2, 700: 1.2, 320: 0.6, 720: 0.6}
    with faulty_server(lambda number: f"delay {delays.get(number, 0)}") as server:
        records = probe(server.port, tmp_path, count=1000, rate=250)
    figures = Figures.of("x", records)
    assert figures.failed == 0
    assert figures.p50_ms < 100
    assert 600 <= figures.p99_ms < 900
    assert 1200 <= figures.p999_ms < 1500
    # What the server knows itself: the prober saw each answer after it was sent, and soon.
    after = [record.done - server.answered_at[record.number] for record in records]
    assert min(after) > -0.001
    assert statistics.median(after) < 0.02
    truth = sorted((server.answered_at[record.number] - record.scheduled) * 1000 for record in records)
    for fraction, measured in ((0.5, figures.p50_ms), (0.99, figures.p99_ms), (0.999, figures.p999_ms)):
        assert percentile(truth, fraction) - 1 <= measured < percentile(truth, fraction) + 100


STALL_SECONDS, RATE, FIRST_STALLED = 1.0, 200, 100


def stalling() -> Behaviour:
    """A server that stands still for STALL_SECONDS when request FIRST_STALLED comes."""
    ends = [0.0]

    def behave(number: int) -> str:
        if number == FIRST_STALLED:
            ends[0] = time.monotonic() + STALL_SECONDS
        return f"delay {max(0.0, ends[0] - time.monotonic())}"

    return behave


def test_all_that_fell_due_in_a_stall_is_sent_and_waits_for_its_end(tmp_path: Path, program: Path) -> None:
    """No coordinated omission: 200 requests fall due in the second, and wait for less and less of it."""
    with faulty_server(stalling()) as server:
        records = probe(server.port, tmp_path, count=400, rate=RATE, program=program)
    waited = [record.done - record.scheduled for record in records]
    stalled = waited[FIRST_STALLED : FIRST_STALLED + RATE]
    excess = [seconds - (STALL_SECONDS - number / RATE) for number, seconds in enumerate(stalled)]
    late = [record.sent - record.scheduled for record in records[FIRST_STALLED : FIRST_STALLED + RATE]]
    assert statistics.median(late) < 0.1, "sent when due, not when others had been answered"
    # Less than the rest of the stall nobody can have waited. More only where the machine was busy.
    assert min(excess[1:]) > -0.05
    assert statistics.median(excess) < 0.1
    assert 180 <= sum(seconds > 0.1 for seconds in waited[FIRST_STALLED:]) < 300
    figures = Figures.of("x", records)
    assert figures.failed == 0
    # Half of the 300 that were due from then on waited for more than a quarter of a second.
    assert Figures.of("x", records, records[FIRST_STALLED].scheduled).p50_ms > 200


def test_a_closed_loop_would_have_seen_the_same_stall_once() -> None:
    """What the prober is not: a client that waits for each answer before it sends again."""
    with faulty_server(stalling()) as server:
        waited = []
        for number in range(2 * FIRST_STALLED):
            began = time.monotonic()
            request(server.port, f"/echo?run=x&probe={number}")
            waited.append(time.monotonic() - began)
    assert sum(seconds > 0.9 for seconds in waited) == 1


def held_up(folder: Path, program: Path) -> Figures:
    """A prober that the machine did not let run for half a second, in which the server failed everything."""
    with faulty_server(ok) as server:
        with probing(server.port, folder, rate=20, program=program) as process:
            until("requests", lambda: server.received.total() > 10)
            os.kill(process.pid, signal.SIGSTOP)
            # What had been sent is answered before the outage, as it would be if there were no traffic.
            time.sleep(0.1)
            server.behaviour = lambda _: "reset"
            time.sleep(0.5)
            server.behaviour = ok
            os.kill(process.pid, signal.SIGCONT)
            seen = server.received.total()
            until("requests", lambda: server.received.total() > seen + 20)
        return Figures.of("x", records_in(folder))


def test_a_prober_held_up_during_an_outage_does_not_pass_for_valid(tmp_path: Path, program: Path) -> None:
    """Nothing was sent while the server was out, so nothing failed; but the lateness tells."""
    figures = held_up(tmp_path, program)
    assert (figures.failed, figures.max_gap_s) == (0, 0.05)
    assert figures.max_lateness_s > 0.45
    with pytest.raises(InvalidRun, match="late"):
        figures.require_valid()


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_what_can_not_be_sent_is_a_failure_and_sending_goes_on(tmp_path: Path, program: Path) -> None:
    """Ten at once: of 90 requests that fall due within the first one's timeout 80 can't be sent."""
    with faulty_server(lambda _: "hang") as server:
        records = probe(
            server.port, tmp_path, count=90, options=["--max-in-flight", "10", "--timeout", "2"], program=program
        )
        assert server.connections == 10
    assert errors(records) == dict.fromkeys(range(10), "timeout") | dict.fromkeys(range(10, 90), "not-sent")
    assert all(record.sent == 0 for record in records[10:])
    figures = Figures.of("x", records)
    assert (figures.scheduled, figures.sent, figures.failed) == (90, 10, 90)


def with_open_files(option: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The prober where `ulimit` has been called with `option`."""
    return subprocess.run(
        ["sh", "-c", f'ulimit {option} && exec "$@"', "sh", *arguments], capture_output=True, text=True, check=False
    )


def test_it_raises_its_own_limit_of_open_files_or_says_that_it_may_not(tmp_path: Path) -> None:
    with faulty_server(lambda _: "hang") as server:
        options = ["--max-seconds", "1", "--max-in-flight", "200", "--timeout", "1.5"]
        arguments = command(PROBER, server.port, tmp_path, "new", 100, options)
        assert with_open_files("-Sn 64", arguments).returncode == 0
        assert errors(records_in(tmp_path)) == dict.fromkeys(range(100), "timeout")
        refused = with_open_files("-n 64", arguments)
    assert refused.returncode == 2
    assert "352 open files are needed and 64 allowed: raise that or lower --max-in-flight" in refused.stderr


def test_it_stops_when_told_and_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with (
        faulty_server(lambda _: "delay 0.5") as server,
        probing(server.port, tmp_path, options=["--max-seconds", "60"]),
    ):
        until("requests", lambda: server.received.total() > 60)
    records = records_in(tmp_path)
    assert 60 < len(records) < 1000
    assert errors(records) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--url", "https://x"], "not of the form http://host[:port]"),
        (["--url", "http://127.0.0.1:1/echo"], "a path goes into --path"),
        (["--rate", "0"], "--rate: 0.0 is not above 0"),
        (["--max-seconds", "nan"], "--max-seconds: nan is not above 0"),
        (["--path", "echo"], "--path: 'echo' does not begin with /"),
        (["--path", "/a b"], "must be percent-encoded"),
        (["--method", "get"], "--method: 'get' is no method in capitals"),
        (["--kind", "slow", "--timeout", "1"], "a slow request takes 1000 ms"),
        (["--expect-status", "204"], "give --expect-body too"),
        (["--expect-body", "("], "no regular expression"),
        (["--body-bytes", "-1"], "-1 is below 0"),
        (["--results", "/none"], "/none is not a folder"),
        (["--url", "http://no-such-host.invalid"], "--url: no-such-host.invalid can't be looked up"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(tmp_path: Path, options: list[str], message: str) -> None:
    done = subprocess.run(
        command(PROBER, 1, tmp_path, "new", 1, options), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr


# --- Look-ups ---------------------------------------------------------------------------------------------------------

# The first one is that of the command line, the others are numbered as the requests are.
NAME_SERVER = """
import itertools, pathlib, socket, time
numbers = itertools.count(-1)
def ask():
    number = next(numbers)
    with pathlib.Path({asked!r}).open("a") as asked:
        asked.write("x")
    if number in {hangs}:
        time.sleep(2)
    if number in {fails}:
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")
"""


def with_name_server(folder: Path, program: Path, *, fails: range = range(0), hangs: range = range(0)) -> Path:
    """A copy of the prober whose look-ups go wrong on command, and are counted in the file `asked`."""
    changed = copy(folder, program)
    (changed / "names.py").write_text(NAME_SERVER.format(asked=str(folder / "asked"), hangs=hangs, fails=fails))
    mutate(changed, "resolver.py", "import socket\n", "import socket\n\nimport names\n")
    look_up = "    family, _, _, _, address = socket"
    mutate(changed, "resolver.py", look_up, f"    names.ask()\n{look_up}")
    return changed


def look_up_options(port: int) -> list[str]:
    return ["--url", f"http://localhost:{port}", "--look-up"]


@pytest.mark.parametrize(("kind", "look_ups"), [("new", 60), ("slow", 60), ("keep-alive", 20), ("upload", 20)])
def test_every_connection_is_looked_up(tmp_path: Path, program: Path, kind: str, look_ups: int) -> None:
    changed = with_name_server(tmp_path, program)
    with faulty_server(ok) as server:
        options = look_up_options(server.port)
        records = probe(server.port, tmp_path / "run", kind=kind, count=60, options=options, program=changed)
    assert errors(records) == {}
    assert server.received == dict.fromkeys(range(60), 1)
    assert len((tmp_path / "asked").read_text()) == 1 + look_ups


def test_a_look_up_that_fails_is_a_failure_and_not_tried_again(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, fails=range(20, 30))
    with faulty_server(ok) as server:
        records = probe(server.port, tmp_path / "run", count=60, options=look_up_options(server.port), program=changed)
    assert errors(records) == dict.fromkeys(range(20, 30), "unresolved")
    assert len((tmp_path / "asked").read_text()) == 1 + 60


def test_a_look_up_that_hangs_fails_in_time_and_holds_up_no_other(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, hangs=range(20, 30))
    with faulty_server(ok) as server:
        options = [*look_up_options(server.port), "--timeout", "1"]
        # It goes on until the look-ups that hang have ended, whose requests are not to be sent any more.
        records = probe(server.port, tmp_path / "run", count=300, options=options, program=changed)
    assert errors(records) == dict.fromkeys(range(20, 30), "timeout")
    assert all(1 <= r.done - r.scheduled < 1 + MAX_LATENESS_SECONDS for r in records[20:30])
    assert not set(server.received) & set(range(20, 30))
    Figures.of("x", records).require_valid()


def test_more_look_ups_than_may_be_under_way_are_failures(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, hangs=range(90))
    mutate(changed, "resolver.py", "MAX_UNDER_WAY = 1000", "MAX_UNDER_WAY = 10")
    with faulty_server(ok) as server:
        options = [*look_up_options(server.port), "--timeout", "1.5"]
        records = probe(server.port, tmp_path / "run", count=90, options=options, program=changed)
    assert errors(records) == dict.fromkeys(range(10), "timeout") | dict.fromkeys(range(10, 90), "not-sent")
    assert all(record.sent == 0 for record in records[10:])


# --- Cost -------------------------------------------------------------------------------------------------------------

ENOUGH_RATE, SHARE_OF_A_CORE = 500, 0.6


@kinds
def test_500_requests_a_second_are_sent_in_time_at_a_bounded_share_of_a_core(tmp_path: Path, kind: str) -> None:
    """Measured: 13 to 32 %, `python bench/probers.py`. Another try is for a machine that was busy with something."""
    for attempt in range(3):
        with fast_server() as port:
            run = cost(port, tmp_path / str(attempt), kind, ENOUGH_RATE, 3)
        assert (run.figures.sent, run.figures.failed) == (3 * ENOUGH_RATE, 0)
        assert run.share < SHARE_OF_A_CORE
        if run.figures.max_lateness_s < MAX_LATENESS_SECONDS:
            return
    pytest.fail(f"late by {run.figures.max_lateness_s} s in each of three runs")


def test_records_of_the_longest_run_fit_and_are_fetched_whole(tmp_path: Path) -> None:
    with fast_server() as port:
        records = probe(port, tmp_path, count=500, rate=500)
    assert (tmp_path / "records.jsonl").stat().st_size / 500 < harness_prober.RECORD_BYTES
    fetch = harness_prober.FETCH.format(folder=tmp_path)
    text = subprocess.run(["sh", "-c", fetch], capture_output=True, text=True, check=True).stdout
    assert len(text) / 500 < 50
    assert parse(harness_prober.unpack(text), 500) == records


# --- The tests above, tested: probers that are broken on purpose ------------------------------------------------------

Check = Callable[[Path, Path], object]


def of_kind(check: Callable[[Path, Path, str], None], kind: str) -> Check:
    """The check of one kind."""
    return lambda folder, program: check(folder, program, kind)


kept_everything = of_kind(test_every_request_is_sent_once_and_recorded, "keep-alive")
faults = of_kind(test_every_fault_is_counted_once_under_its_class_and_not_retried, "new")
kept_faults = of_kind(test_every_fault_is_counted_once_under_its_class_and_not_retried, "keep-alive")


def without_looking(folder: Path, program: Path) -> None:
    """Of the two looks at whether a kept connection was closed, either alone would be enough here."""
    mutate(program, "prober.py", "if connection.is_quiet():", "if True:")
    test_a_kept_connection_that_the_server_closed_is_not_used_again(folder, program)


MUTANTS: dict[str, tuple[str, str, str, Check]] = {
    "sends again what was reset": (
        "prober.py",
        "        done = self.now()\n",
        "        if error == 'reset' and not getattr(self, 'again', False):\n"
        "            self.again, exchange.over = True, True\n"
        "            self._exchanges.pop(exchange.request.number)\n"
        "            return self._send(exchange.request.number, exchange.scheduled)\n"
        "        done = self.now()\n",
        faults,
    ),
    "sends again on another connection when a kept one was reset": (
        "prober.py",
        "        done = self.now()\n",
        "        if error == 'reset' and self.traffic.keeps_connections and not getattr(exchange.connection, 'x', 0):\n"
        "            exchange.over = True\n"
        "            self._exchanges.pop(exchange.request.number)\n"
        "            return self._send(exchange.request.number, exchange.scheduled)\n"
        "        done = self.now()\n",
        of_kind(test_a_kept_connection_that_is_reset_at_its_second_request_is_a_failure_each_time, "keep-alive"),
    ),
    "sends everything twice": (
        "traffic.py",
        "            return Request(number, head)\n",
        "            return Request(number, head * 2)\n",
        kept_everything,
    ),
    "leaves failures out of the records": (
        "prober.py", "        self.output.write(\n", "        error or self.output.write(\n", faults,
    ),
    "counts failures as answered": (
        "prober.py", "answer.status, host, version, error,", "answer.status, host, version, '',", faults,
    ),
    "measures from when a request was sent": (
        "prober.py",
        "request.number, exchange.scheduled, exchange.sent,",
        "request.number, exchange.sent, exchange.sent,",
        test_a_prober_held_up_during_an_outage_does_not_pass_for_valid,
    ),
    "shifts its schedule when it is behind": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now:\n"
        "                    start += max(0.0, now - scheduled - 0.01)\n"
        "                    scheduled = start + self.due / self.rate\n",
        test_a_prober_held_up_during_an_outage_does_not_pass_for_valid,
    ),
    "leaves out what fell due while it was behind": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now:\n"
        "                    self.due = max(self.due, int((now - start) * self.rate))\n",
        test_a_prober_held_up_during_an_outage_does_not_pass_for_valid,
    ),
    "waits for an answer before it sends again": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now and not self._exchanges:\n",
        test_all_that_fell_due_in_a_stall_is_sent_and_waits_for_its_end,
    ),
    "sends only so many at once, and the others later": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now and len(self._exchanges) < 50:\n",
        test_all_that_fell_due_in_a_stall_is_sent_and_waits_for_its_end,
    ),
    "does not look at the status": ("check.py", "answer.status != 200", "answer.status > 999", faults),
    "takes the answer to another request": (
        "check.py", 'query["probe"] == [str(request.number)] and ', "", faults,
    ),
    "takes the answer of another run": ("check.py", ' and query["run"] == [self.run]', "", faults),
    "does not look at the hash of an upload": (
        "check.py", "if same and request.body_sha256:", "if False:", test_one_wrong_bit_in_an_upload_is_a_failure,
    ),
    "takes half an answer for a whole one": (
        "answer.py", "        if len(buffer) < self._length:\n", "        if not buffer:\n", kept_faults,
    ),
    "takes more than an answer for one": ("answer.py", "        if excess:\n", "        if False:\n", faults),
    "leaves out what it could not send": (
        "prober.py",
        '                raise Failure("not-sent")\n',
        "                return\n",
        test_what_can_not_be_sent_is_a_failure_and_sending_goes_on,
    ),
    "has no bound of what is under way": (
        "prober.py",
        "if len(self._exchanges) >= self.max_in_flight:",
        "if False:",
        test_what_can_not_be_sent_is_a_failure_and_sending_goes_on,
    ),
    "sends on a connection that was closed": (
        "prober.py",
        "            elif events & ~select.EPOLLOUT:\n",
        "            elif False:\n",
        without_looking,
    ),
    "looks its host up only once": (
        "prober.py",
        "Resolver(host, port) if arguments.look_up else where",
        "where",
        lambda folder, program: test_every_connection_is_looked_up(folder, program, "new", 60),
    ),
    "looks up again what was not found": (
        "resolver.py",
        "            found = None\n",
        "            found = look_up(self._host, self._port)\n",
        test_a_look_up_that_fails_is_a_failure_and_not_tried_again,
    ),
    "waits for a look-up before it goes on": (
        "resolver.py",
        "self._threads.submit(self._look_up, number)",
        "self._look_up(number)",
        test_a_look_up_that_hangs_fails_in_time_and_holds_up_no_other,
    ),
    "never keeps a connection": (
        "prober.py",
        "connection.may_be_kept(events)",
        "False",
        of_kind(test_each_kind_uses_connections_as_it_says, "keep-alive"),
    ),
}  # fmt: skip


def mutate(program: Path, file: str, text: str, replacement: str) -> None:
    """Replace `text`, which must be there once, in a file of the prober."""
    source = (program / file).read_text()
    assert source.count(text) == 1, f"the mutation no longer matches {file}: adapt it"
    (program / file).write_text(source.replace(text, replacement))


def copy(folder: Path, program: Path = PROBER) -> Path:
    """A copy of the prober's files."""
    copied = folder / "program"
    copied.mkdir(parents=True)
    for file in program.glob("*.py"):
        (copied / file.name).write_bytes(file.read_bytes())
    return copied


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_prober_is_caught(tmp_path: Path, mutant: str) -> None:
    file, text, replacement, check = MUTANTS[mutant]
    program = copy(tmp_path)
    mutate(program, file, text, replacement)
    # One that breaks down, or does not match, is no proof of anything: only a verdict of the check counts.
    with pytest.raises((AssertionError, InvalidRun)) as caught:
        check(tmp_path / "results", program)
    assert "the mutation no longer matches" not in str(caught.value)


def test_an_error_of_the_prober_itself_is_a_failed_request(tmp_path: Path) -> None:
    program = copy(tmp_path)
    mutate(program, "check.py", "json.loads(answer.body)", "json.loads(answer.body) if request.number < 19 else 1 / 0")
    with faulty_server(ok) as server:
        records = probe(server.port, tmp_path / "results", count=20, program=program)
    assert errors(records) == {19: "internal"}
