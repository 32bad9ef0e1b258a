"""What /metrics serves of the server itself, and in which formats."""

import gzip
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import metrics_docs
from nodrop.health.worker_state import WorkerState
from nodrop.metrics import exposition
from nodrop.metrics.exposition import Exposition
from nodrop.metrics.process_usage import Processes
from nodrop.metrics.saturation import Saturation, accept_queue
from nodrop.system.runtime_folder import OWN_METRICS
from tests.serving_process import Server, free_port, serving, until

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3"}


# --- Saturation -----------------------------------------------------------------------------------------------------


def samples(collector: Saturation | Processes) -> dict[str, float]:
    return {sample.name: sample.value for family in collector.collect() for sample in family.samples}


def test_a_server_that_has_taken_its_folder_away_has_no_workers(tmp_path: Path) -> None:
    """As it is seen by a health process that is still ending."""
    assert WorkerState(tmp_path / "gone").workers() == []


def test_merging_ends_when_another_server_has_removed_what_a_killed_one_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics" / OWN_METRICS).mkdir(parents=True)
    exposition = Exposition(tmp_path, WorkerState(tmp_path / "workers"), address="127.0.0.1", port=1, master=1)
    shutil.rmtree(tmp_path)
    exposition.start_merging()
    until("it has ended", lambda: "merge" not in [thread.name for thread in threading.enumerate()], timeout=5)
    assert caplog.records == []


def test_saturation_is_summed_over_the_workers(tmp_path: Path) -> None:
    state = WorkerState(tmp_path)
    # Process ids that are alive: this test's and its parent's.
    one, other = state.report(os.getpid(), 4, 10), state.report(os.getppid(), 4, 10)
    one.set_ready(True)
    # A stream runs beside the threads, and nothing is late because of its age.
    one.request_started(13, time.monotonic() - 1000)
    one.request_streams(13)
    one.set_load(waiting=2, connections=10, since=time.monotonic() - 0.04)
    other.set_load(waiting=1, connections=5)
    one.request_started(0)
    until(
        "it is older than the next", lambda: samples(Saturation(state, "::", 1))["nodrop_oldest_request_seconds"] > 0.05
    )
    other.request_started(3)
    found = samples(Saturation(state, "::", 1))
    assert 0.05 < found["nodrop_oldest_request_seconds"] < 10
    assert 0.04 < found.pop("nodrop_oldest_wait_seconds") <= found.pop("nodrop_oldest_request_seconds")
    assert found == {
        "nodrop_workers_ready": 1, "nodrop_threads": 8, "nodrop_threads_busy": 2,
        "nodrop_streams": 1, "nodrop_streams_limit": 20,
        "nodrop_requests_waiting": 3, "nodrop_connections": 15,
    }  # fmt: skip


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_the_accept_queue_is_the_kernels(family: socket.AddressFamily, address: str) -> None:
    try:
        listener = socket.create_server((address, 0), family=family, backlog=5)
    except OSError:
        pytest.skip("no IPv6 here: nothing to do, it is not needed")
    with listener:
        port = listener.getsockname()[1]
        assert accept_queue(address, port) == 0
        clients = [socket.create_connection((address, port)) for _ in range(3)]
        assert accept_queue(address, port) == 3
        listener.accept()[0].close()
        assert accept_queue(address, port) == 2
        for client in clients:
            client.close()


def test_without_a_kernel_that_tells_there_is_no_accept_queue(tmp_path: Path) -> None:
    assert accept_queue("::", free_port()) is None
    assert not [name for name in samples(Saturation(WorkerState(tmp_path), "::", 1, proc=tmp_path)) if "accept" in name]


def test_the_limit_of_the_accept_queue_is_the_lower_of_the_servers_and_the_systems(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = "   0: 00000000:1388 00000000:0000 0A 00000000:0000000C 00:00000000 00000000     0        0 1 1 0\n"
    (tmp_path / "net" / "tcp").write_text("  sl  local_address ...\n" + line)
    collector = Saturation(WorkerState(tmp_path / "net"), "0.0.0.0", 5000, proc=tmp_path)
    assert samples(collector)["nodrop_accept_queue_limit"] == 2048
    (tmp_path / "sys/net/core").mkdir(parents=True)
    (tmp_path / "sys/net/core/somaxconn").write_text("128\n")
    assert samples(collector)["nodrop_accept_queue_limit"] == 128
    assert samples(collector)["nodrop_accept_queue_length"] == 12


def test_busy_threads_and_waiting_requests_are_seen_from_outside(tmp_path: Path) -> None:
    with serving(tmp_path, WEB_THREADS="2", LOAD_ENDPOINTS="1") as server, ThreadPoolExecutor(3) as clients:
        requests = [clients.submit(server.get, "/sleep?ms=3000") for _ in range(3)]

        def saturated() -> bool:
            metrics = server.metrics()
            return (
                (metrics["nodrop_threads_busy"], metrics["nodrop_requests_waiting"]) == (2, 1)
                and metrics["nodrop_connections"] >= 3
                and metrics["nodrop_oldest_request_seconds"] > 0.1
            )

        until("two are busy and one waits", saturated, timeout=2.5)
        assert all(request.result().status == 200 for request in requests)
        until("idle", lambda: server.metrics()["nodrop_threads_busy"] == 0, timeout=2)


# --- Processes ------------------------------------------------------------------------------------------------------


def test_the_processes_are_those_of_the_whole_server(tmp_path: Path) -> None:
    before = time.time()
    with serving(tmp_path, WEB_CONCURRENCY="2", WEB_THREADS="4", LOAD_ENDPOINTS="1") as server:
        until("two workers", lambda: server.manage("/readyz").body == b"ready: 2 workers\n")
        first = server.metrics()
        # Master, two workers, the management process and its supervisor.
        resident = [
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for pid in (server.process.pid, *server.workers())
        ]
        assert first["process_resident_memory_bytes"] > sum(resident) * 0.9
        assert first["process_threads"] >= 5
        assert 10 < first["process_open_fds"] < first["process_max_fds"]
        assert abs(first["process_start_time_seconds"] - before) < 20
        server.get("/work?cpu_ms=300")
        until(
            "it is seen",
            lambda: server.metrics()["process_cpu_seconds_total"] > first["process_cpu_seconds_total"] + 0.25,
        )


def test_processor_time_does_not_go_backwards_when_a_worker_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1") as server:
        server.get("/work?cpu_ms=1000")
        seconds = [server.metrics()["process_cpu_seconds_total"]]
        os.kill(server.workers()[0], signal.SIGKILL)

        def another() -> bool:
            seconds.append(server.metrics()["process_cpu_seconds_total"])
            return len(server.workers()) == 2 and server.is_ready()

        until("another worker", another)
        assert seconds == sorted(seconds)
        assert server.metrics()["nodrop_worker_starts_total"] == 2
        # And goes on from there: what the dead one used is not forgotten.
        server.get("/work?cpu_ms=300")
        assert server.metrics()["process_cpu_seconds_total"] > seconds[0] + 0.25


def test_what_is_lost_from_sight_for_a_moment_does_not_turn_the_counter_back() -> None:
    shown = [[os.getpid(), os.getppid()], [os.getpid()]]
    collector = Processes(lambda: shown.pop(0))
    first, second = (samples(collector)["process_cpu_seconds_total"] for _ in range(2))
    assert second >= first > 0


# --- Formats --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("described")
    with serving(folder, APP_VERSION="1.2.3", APP_REVISION="abc") as server:
        server.get("/")
        server.get("/nowhere")
        yield server


def test_both_formats_parse_without_a_series_or_help_twice_and_follow_the_naming_rules(described: Server) -> None:
    text = described.manage("/metrics").body.decode()
    answer = described.manage("/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    openmetrics = parse_openmetrics(answer.body.decode())  # type: ignore[no-untyped-call]
    for families in (list(parse_text(text)), list(openmetrics)):
        series = [(s.name, *sorted(s.labels.items())) for family in families for s in family.samples]
        assert len(series) == len(set(series)) > 50
        names = [family.name for family in families]
        assert len(names) == len(set(names))
        assert all(family.documentation for family in families)
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name.endswith("_total") == (kind == "counter"), line
            assert kind != "histogram" or name.endswith(("_seconds", "_bytes")), line


def test_build_info_says_what_is_served(described: Server) -> None:
    (info,) = [key for key in described.metrics() if key.startswith("nodrop_build_info")]
    assert 'version="1.2.3"' in info
    assert 'revision="abc"' in info
    assert 'flask="3.' in info


def test_the_page_lists_every_metric_that_is_served() -> None:
    written = {path: path.read_text() for path in metrics_docs.rendered()}
    assert written == metrics_docs.rendered(), "run make docs"


def test_a_metric_that_no_table_of_the_page_is_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics_docs.GROUPS, "server", ("nodrop_threads",))
    with pytest.raises(ValueError, match=r"no table of docs/metrics.md is for .*nodrop_connections"):
        metrics_docs.rendered()


def test_a_scrape_may_ask_for_some_names_only(described: Server) -> None:
    answer = described.manage("/metrics?name[]=nodrop_threads&name%5B%5D=flask_http_request_total")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    assert {line.partition(" ")[0].partition("{")[0] for line in lines} == {
        "nodrop_threads",
        "flask_http_request_total",
    }


def test_a_scrape_is_compressed_if_the_scraper_takes_that(described: Server) -> None:
    answer = described.manage("/metrics", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert b"nodrop_threads 8.0" in gzip.decompress(answer.body)


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=abc", "text/plain;version=x.y", ",;=,"])
def test_an_accept_header_that_means_nothing_gets_the_plain_format(described: Server, accept: str) -> None:
    answer = described.manage("/metrics", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("limits", "most"),
    [("Max open files            1024                 4096                 files\n", 1024.0),
     ("Max open files            unlimited            unlimited            files\n", float("inf")),
     ("Max cpu time              unlimited            unlimited            seconds\n", float("inf"))],
    ids=["a number", "unlimited", "not told"],
)  # fmt: skip
def test_a_system_that_tells_less_of_a_process_is_taken_as_it_is(tmp_path: Path, limits: str, most: float) -> None:
    process = tmp_path / "7"
    (process / "fd").mkdir(parents=True)
    (process / "stat").write_bytes(Path("/proc/self/stat").read_bytes())
    (process / "limits").write_text(limits)
    told = {family.name: family.samples[0].value for family in Processes(lambda: [7], proc=tmp_path).collect()}
    assert told["process_max_fds"] == most
    # Without the time of the boot nobody knows when it was started.
    assert "process_start_time_seconds" not in told
    (tmp_path / "stat").write_text("cpu 1 2\nintr 3\n")
    assert "process_start_time_seconds" not in {each.name for each in Processes(lambda: [7], proc=tmp_path).collect()}
    assert list(Processes(lambda: [8], proc=tmp_path).collect()) == []


def test_merging_is_tried_again_after_an_error_and_ends_with_the_servers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setattr(exposition, "MERGE_SECONDS", 0.001)
    tries: list[int] = []

    def merge() -> bool:
        tries.append(len(tries))
        if len(tries) == 3:
            folder.rmdir()
        raise OSError("no space left")

    merging: Any = SimpleNamespace(_own=SimpleNamespace(merge=merge), _applications=None, _folder=folder)
    Exposition._merge_for_ever(merging)
    assert tries == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == ["can't merge the metrics of dead workers"] * 2


def test_of_several_workers_exemplars_the_latest_counts(tmp_path: Path) -> None:
    key = json.dumps(["seconds", "seconds_bucket", {"le": "1.0"}, "help"])
    for name, trace, at in (("a", "old", 1.0), ("b", "new", 3.0), ("c", "older", 2.0)):
        (tmp_path / f"{name}.json").write_text(json.dumps({key: [{"trace_id": trace}, 0.5, at]}))
    archive: Any = SimpleNamespace(files=lambda suffix: sorted(tmp_path.glob(f"*{suffix}")))
    assert [each.labels for each in exposition._exemplars(archive).values()] == [{"trace_id": "new"}]
