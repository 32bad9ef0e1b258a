"""The measuring instrument, measured: a prober against a server that fails on command."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import prober as prober_module
from harness.records import Figures, InvalidRun, parse
from prober import Record
from tests.faulty_server import Behaviour, FaultyServer, faulty_server


def probe(server: FaultyServer, folder: Path, *, count: int, rate: float = 200, **options: Any) -> list[Record]:
    """Send `count` requests at `rate` and return their records."""
    options = {"keep_alive": False, "timeout": 1.0, **options}
    prober = prober_module.Prober(f"http://127.0.0.1:{server.port}/echo", rate=rate, results=folder, **options)
    asyncio.run(prober.run(count / rate))
    return parse((folder / "records.jsonl").read_text(), prober.sent)


def failing(numbers: set[int], fault: str) -> Behaviour:
    """A server that has `fault` for these requests and answers the others."""
    return lambda number: fault if number in numbers else "ok"


@pytest.mark.parametrize("keep_alive", [False, True])
def test_every_request_is_sent_once_and_recorded(tmp_path: Path, keep_alive: bool) -> None:
    with faulty_server(failing(set(), "")) as server:
        records = probe(server, tmp_path, count=200, keep_alive=keep_alive)
    assert [record.number for record in records] == list(range(200))
    assert server.received == dict.fromkeys(range(200), 1)
    assert all((r.status, r.host, r.version, r.error) == (200, "pod", "1", "") for r in records)
    assert all(r.scheduled <= r.sent <= r.first_byte <= r.done for r in records)
    assert server.connections == (prober_module.POOL if keep_alive else 200)


@pytest.mark.parametrize("keep_alive", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", "reset"), ("close", "closed"), ("short", "closed"), ("hang 3", "timeout"),
        ("status 503", "status-503"),
        ("other", "body"),
    ],
)  # fmt: skip
def test_every_kind_of_failure_is_counted_exactly_and_not_retried(
    tmp_path: Path, fault: str, error: str, keep_alive: bool
) -> None:
    bad = {3, 50, 51, 99}
    with faulty_server(failing(bad, fault)) as server:
        records = probe(server, tmp_path, count=100, keep_alive=keep_alive)
    assert {record.number: record.error for record in records if record.error} == dict.fromkeys(bad, error)
    assert max(server.received.values()) == 1
    figures = Figures.of("x", records)
    assert (figures.scheduled, figures.sent, figures.failed, figures.errors) == (100, 100, 4, {error: 4})


def test_a_refused_connection_is_a_failure(tmp_path: Path) -> None:
    with faulty_server(failing(set(), "")) as server:
        server.close()
        records = probe(server, tmp_path, count=20)
    assert {record.error for record in records} == {"refused"}
    assert Figures.of("x", records).failed == 20


def test_a_kept_connection_that_the_server_closed_is_not_used_again(tmp_path: Path) -> None:
    """Between requests a server may close: that is no failure, and the next request goes out on another."""
    with faulty_server(lambda _: "then-close") as server:
        records = probe(server, tmp_path, count=20, rate=40, keep_alive=True)
    assert not [record for record in records if record.error]
    assert server.connections == 20


def test_only_a_client_that_keeps_connections_sees_what_happens_to_them(tmp_path: Path) -> None:
    """A server that resets connections when they are used again is fine for one kind of client, not for the other."""
    for keep_alive, failures in ((False, 0), (True, 80)):
        folder = tmp_path / str(keep_alive)
        folder.mkdir()
        with faulty_server(lambda _: "reset-reused") as server:
            records = probe(server, folder, count=200, rate=100, keep_alive=keep_alive)
        assert sum(record.error == "reset" for record in records) >= failures
        assert any(record.error for record in records) is keep_alive


def test_an_error_of_the_prober_itself_is_a_failed_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(number: int, _: object) -> tuple[str, str]:
        if number == 19:
            raise RuntimeError("a mistake")
        return "pod", "1"

    monkeypatch.setattr(prober_module.Prober, "check", staticmethod(check))
    with faulty_server(failing(set(), "")) as server:
        records = probe(server, tmp_path, count=20)
    assert [record.error for record in records] == [""] * 19 + ["internal"]


def test_a_slow_answer_delays_no_other_request(tmp_path: Path) -> None:
    """Open loop: while the server stands still, requests go on being sent, and all their waiting is counted."""
    with faulty_server(
        lambda number: f"delay {0.5 - (number - 20) / 100:.3f}" if 20 <= number < 70 else "ok"
    ) as server:
        records = probe(server, tmp_path, count=100, rate=100)
    figures = Figures.of("x", records)
    assert figures.failed == 0
    assert figures.max_lateness_s < 0.2
    # A stall of half a second at 100 requests a second: every one due in it waits for its rest.
    waited = [record.done - record.scheduled for record in records[20:70]]
    for number, seconds in enumerate(waited):
        assert 0.5 - number / 100 - 0.01 <= seconds < 0.5 - number / 100 + 0.3
    assert figures.p50_ms < 150
    assert 450 <= figures.p99_ms < 800


def test_a_prober_held_up_during_an_outage_does_not_pass_for_valid(tmp_path: Path) -> None:
    """Nothing was sent while the server was out, so nothing failed; but the lateness tells."""
    with faulty_server(failing(set(), "")) as server:
        prober = prober_module.Prober(
            f"http://127.0.0.1:{server.port}/echo", rate=20, keep_alive=False, timeout=1, results=tmp_path
        )

        async def run() -> None:
            running = asyncio.create_task(prober.run(1.5))
            while prober.sent < 6:
                await asyncio.sleep(0.001)
            # Between two requests, so that none is under way when the server goes out.
            await asyncio.sleep(0.03)
            server.behaviour = lambda _: "reset"
            time.sleep(0.5)  # holds the whole process up
            server.behaviour = lambda _: "ok"
            await running

        asyncio.run(run())
    figures = Figures.of("x", parse((tmp_path / "records.jsonl").read_text(), 30))
    assert (figures.scheduled, figures.sent, figures.failed) == (30, 30, 0)
    assert 0.4 < figures.max_lateness_s < 0.9
    with pytest.raises(InvalidRun, match="late"):
        figures.require_valid()


def test_it_stops_when_told_and_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with faulty_server(lambda _: "delay 0.3") as server:
        prober = prober_module.Prober(
            f"http://127.0.0.1:{server.port}/echo", rate=100, keep_alive=False, timeout=5, results=tmp_path
        )

        async def run() -> None:
            running = asyncio.create_task(prober.run(60))
            await asyncio.sleep(0.5)
            (tmp_path / "stop").touch()
            await asyncio.wait_for(running, 5)

        asyncio.run(run())
    records = parse((tmp_path / "records.jsonl").read_text(), prober.sent)
    assert 30 < len(records) < 150
    assert not [record for record in records if record.error]
