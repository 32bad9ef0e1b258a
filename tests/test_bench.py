"""The comparison of servers: what its client counts, what its report says, and what its guard notices."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import guard, measure, servers
from bench.clients.load import TIMEOUT_SECONDS, closed_loop, open_loop
from bench.clients.results import Result
from bench.figures import page, picture, publish, report
from bench.measure import Measured, Sample
from bench.servers import SERVERS, Server, free_port, running
from bench.workloads import PLAN, Workload

ROOT = Path(__file__).resolve().parents[1]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SERVER_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answered_by(conduct: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does this with each connection, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=conduct_quietly, args=(client,), daemon=True).start()

    def conduct_quietly(client: socket.socket) -> None:
        with suppress(OSError), client:
            conduct(client)

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def well(client: socket.socket) -> None:
    """Answers every request."""
    while client.recv(65536):
        client.sendall(ANSWER)


def closes_between(client: socket.socket) -> None:
    """Answers one request and closes the connection, without having said so."""
    client.recv(65536)
    client.sendall(ANSWER)


def resets(client: socket.socket) -> None:
    """Takes a request and resets the connection."""
    client.recv(65536)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes_in_the_middle(client: socket.socket) -> None:
    """Sends half an answer."""
    client.recv(65536)
    client.sendall(ANSWER[:-1])


def never(client: socket.socket) -> None:
    """Takes a request and answers nothing."""
    while client.recv(65536):
        pass


def fails(client: socket.socket) -> None:
    """Answers with an error."""
    while client.recv(65536):
        client.sendall(SERVER_ERROR)


@pytest.mark.parametrize(
    ("conduct", "kind"), [(resets, "reset"), (closes_in_the_middle, "reset"), (never, "timeout"), (fails, "status")]
)
def test_a_request_without_a_good_answer_is_counted_by_how_it_ended(
    conduct: Callable[[socket.socket], None], kind: str
) -> None:
    """Each kind of failure is counted as that kind, and all requests of the schedule are accounted for."""
    with answered_by(conduct) as port:
        # Long where it is the server that ends a request.
        result = open_loop(port, "/", rate=40, seconds=0.5, timeout=0.5 if conduct is never else 10)
    assert result.answered == 0
    assert set(result.faults) == {kind}
    assert result.faults[kind] > 5


def test_a_connection_that_nobody_takes_is_counted_as_refused() -> None:
    """Without a listener, every request is refused."""
    result = open_loop(free_port(), "/", rate=40, seconds=0.5)
    assert set(result.faults) == {"refused"}


def test_a_connection_that_is_closed_between_two_requests_loses_none() -> None:
    """A server may close an idle connection; the next request opens another."""
    with answered_by(closes_between) as port:
        result = open_loop(port, "/", rate=1, seconds=5)
    # The shortest time between two of them is 0.3 s.
    assert result.answered == 5
    assert not result.faults


@pytest.mark.parametrize("kept", [True, False])
def test_a_closed_loop_counts_what_was_answered(kept: bool) -> None:
    """Connections send one request after the other, and new ones are opened where none is kept."""
    with answered_by(well) as port:
        result = closed_loop(port, "/", connections=4, seconds=1, kept=kept)
    assert result.answered > 10
    assert result.p50_ms <= result.p99_ms <= result.longest_ms
    assert not result.faults


def test_a_connection_that_is_never_served_counts_as_lost_in_a_closed_loop_too() -> None:
    """A server that serves one connection of three well loses the requests of the two others."""
    first = threading.Lock()

    def one_at_a_time(client: socket.socket) -> None:
        with first:
            well(client)

    with answered_by(one_at_a_time) as port:
        result = closed_loop(port, "/", connections=3, seconds=1)
    assert result.answered > 10
    assert result.faults == {"timeout": 2}
    assert result.longest_ms == pytest.approx(1000 * TIMEOUT_SECONDS)


def test_a_latency_counts_from_when_the_request_was_due() -> None:
    """A server that stands still for 0.7 of a second is slow for everything that was due meanwhile, sent or not."""

    def stands_still_once(client: socket.socket) -> None:
        client.recv(65536)
        time.sleep(0.7)
        client.sendall(ANSWER)
        well(client)

    with answered_by(stands_still_once) as port:
        result = open_loop(port, "/", rate=200, seconds=1, connections=1)
    assert result.answered > 150
    assert result.p50_ms > 100
    assert result.longest_ms > 500


def measured(server: str, *rps: float, workload: Workload = PLAN[0], reset: int = 0) -> Measured:
    """What a server did in rounds of one second, with a latency and CPU time that are those of its throughput."""
    samples = [
        Sample(Result(round(each), 1.0, 1e3 / each, 2e3 / each, 3e3 / each, reset=reset), 1e6 / each, 60.0, 50.0)
        for each in rps
    ]
    return Measured(workload, server, samples)


def test_a_ratio_is_the_median_of_what_each_round_says() -> None:
    """A round in which the machine was slow for both changes nothing."""
    found = report.ratios([measured("nodrop", 3000, 300, 2000), measured("gthread-documented", 1000, 100, 1000)])
    assert found == {"throughput to gthread as documented": 3.0, "CPU time to gthread as documented": 0.33}


def test_a_row_has_every_column_and_says_that_requests_were_lost() -> None:
    """The columns are those that readers of bench.json rely on."""
    row = measured("uwsgi", 1000, 3000, 2000, reset=2).row()
    columns = "workload connections keepalive server rps cpu_us p50_ms p99_ms p999_ms errors rss_mib"
    assert set(columns.split()) <= set(row)
    assert (row["rps"], row["cpu_us"], row["errors"], row["faults"], row["loses_requests"]) == (
        2000, 500, 6, {"reset": 6}, True,
    )  # fmt: skip


def made_report() -> dict[str, Any]:
    """A report of two servers, of which one loses requests."""
    late = PLAN[2]
    stop = next(each for each in PLAN if each.name == "stop")
    rows = [
        each.row()
        for name, lost in (("nodrop", 0), ("uwsgi", 7))
        for each in (
            measured(name, 1000), measured(name, 800, workload=late), measured(name, 80, workload=stop, reset=lost),
        )
    ]  # fmt: skip
    machine = {
        "cpu": "a <fast> one", "python": "3.11.7", "date": "2026-01-02", "took_seconds": 840, "revision": "abc",
        "cores": 2, "kernel": "6.1", "versions": {"flask": "3.1.3"}, "server_cores": 1,
    }  # fmt: skip
    return {"machine": machine, "ratios": {"throughput to uWSGI": 1.0}, "rows": rows}


def test_the_picture_marks_a_server_that_loses_requests() -> None:
    """It is well-formed, small enough for a page, and shows each server, with what it has lost."""
    drawn = picture.svg(made_report())
    texts = [each.text for each in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert len(drawn) < 100_000
    assert {"uWSGI", "nodrop, everything on", "1,000", "✗ 7", "✓ 0"} <= set(texts)


def test_the_tables_mark_a_server_that_loses_requests() -> None:
    """The number of requests lost at a stop is in the table of stops, and the ratio in that of ratios."""
    tables = report.as_markdown(made_report())
    assert "| uWSGI | 7 |" in tables
    assert "| **nodrop, everything on** | 0 |" in tables
    assert "| throughput to uWSGI | 1.00 |" in tables


def test_a_run_beside_other_work_says_that_only_cpu_time_counts() -> None:
    """A server that had a tenth of its core did not answer less because it is slow."""
    made = made_report()
    assert not report.disturbed(made)
    made["rows"][0]["cpu_us"] /= 10
    assert "one server had 10% of it" in report.as_markdown(made)
    assert "one server had 10% of it" in picture.svg(made)


def test_the_report_is_json_with_a_line_for_each_row() -> None:
    """So that two runs can be compared line by line."""
    made = made_report()
    text = report.as_json(made)
    assert json.loads(text) == made
    assert sum('"workload"' in line for line in text.splitlines()) == 6


def test_the_page_shows_the_published_figures() -> None:
    """docs/speed.md and its picture are what docs/speed.json says."""
    for path, text in page.rendered().items():
        assert path.read_text() == text, f"{path.name}: run make docs"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make bench ARGS=...` comes to."""
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    """`make bench ARGS='--servers ...'` names the servers that there are."""
    ended = bench("--servers", "nodrop,apache")
    assert ended.returncode == 2
    assert "apache: there are sync, gthread" in ended.stderr


def test_help_lists_the_servers_and_the_workloads() -> None:
    """`make bench ARGS=--help` is where the names are found."""
    ended = bench("--help")
    assert ended.returncode == 0, ended.stderr
    assert "gthread-documented" in ended.stdout
    assert {"hello at 80 %", "slow clients"} <= {each.strip() for each in " ".join(ended.stdout.split()).split(",")}


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_rounds_that_measures_nothing_is_refused(number: str) -> None:
    """Before anything is started, with what is accepted."""
    ended = bench(f"--rounds={number}")
    assert ended.returncode == 2
    assert f"--rounds: {number}: it is a whole number, 1 or more" in ended.stderr


def test_a_picture_needs_throughput_of_a_server_that_it_shows() -> None:
    """A part of the comparison that has none is written without a picture."""
    made = made_report()
    assert picture.can_show(made)
    made["rows"] = [row for row in made["rows"] if row["workload"] != "hello"]
    assert not picture.can_show(made)
    made["rows"] = [measured("nodrop-quiet", 1000).row()]
    assert not picture.can_show(made)


def test_rounds_measure_the_servers_in_alternating_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server always comes last, or always after the same one."""
    started: list[str] = []

    def one_start(name: str, *_: object) -> list[object]:
        started.append(name)
        return []

    monkeypatch.setattr(measure, "_one_start", one_start)
    measure.measure(["sync", "granian", "nodrop"], [PLAN[0]], rounds=2)
    assert started == ["sync", "granian", "nodrop", "nodrop", "granian", "sync"]


def test_a_run_is_published_only_if_it_is_complete_and_had_its_core_to_itself() -> None:
    """The page never shows a part of the comparison, or throughput that other work has decided."""
    rows = [measured(name, 1000, workload=each).row() for name in SERVERS for each in PLAN if name != "nodrop-quiet"]
    assert publish.faults({"rows": rows}) == []
    assert publish.faults({"rows": rows[:-1]}) == [
        "1 figures are missing, such as nodrop: SIGTERM under load, new connections."
    ]
    last = next(each for each in rows if each["server"] == "nodrop")
    beside = [{**each, "cpu_us": each["cpu_us"] / 10} if each is last else each for each in rows]
    assert "one server had 10% of it" in publish.faults({"rows": beside})[0]


def test_a_server_that_does_not_answer_is_reported_with_what_it_has_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also one that goes on running: the comparison ends within START_SECONDS and says why."""
    monkeypatch.setattr(servers, "START_SECONDS", 1.0)
    program = tmp_path / "silent"
    program.write_text("#!/bin/sh\necho cannot reach the database\nexec sleep 60\n")
    program.chmod(0o755)
    silent = Server("silent", "silent", ("silent",))
    with pytest.raises(AssertionError, match="cannot reach the database"), running(silent, tmp_path / "python"):
        pass


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_guard_notices_a_request_that_has_become_dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bound at what is measured now, less the noise, 300 us more for each request of ours are noticed."""
    monkeypatch.setattr(guard, "ROUNDS", 5)
    now = guard.compared().median
    monkeypatch.setattr(guard, "LEAST_RATIO", 0.85 * now)
    ours = SERVERS["nodrop"]
    dearer = replace(ours, variables={**ours.variables, "WSGI_APP": "tests.dearer:create_app()"})
    monkeypatch.setitem(SERVERS, "nodrop", dearer)
    bound = guard.compared()
    assert not bound.is_kept
    assert "FAILED" in str(bound)
