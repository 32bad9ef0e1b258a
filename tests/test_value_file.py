"""The numbers of a worker: the file that prometheus_client would write, and never half a number in it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from bisect import bisect_left
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.mmap_dict import MmapedDict

from nodrop.metrics.request_metrics import RequestMetrics
from nodrop.metrics.store import StoredHistogram, ValueStore, kept_in
from nodrop.metrics.value_file import ValueFile

KEYS = st.lists(st.text(max_size=20), unique=True, max_size=30)
FINITE = st.floats(allow_nan=False)
EACH = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=50)
_names = (f"{number}.db" for number in itertools.count())


def read(path: Path) -> dict[str, tuple[float, float]]:
    """Value and time by key, as the management process reads them."""
    found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
    return {key: (value, timestamp) for key, value, timestamp, _ in found}


def used(path: Path) -> bytes:
    """All that is written in the file: the two begin with different sizes."""
    data = path.read_bytes()
    end = int.from_bytes(data[:4], sys.byteorder)
    assert not any(data[end:])
    return data[:end]


@EACH
@given(keys=KEYS, numbers=st.lists(FINITE, min_size=30, max_size=30))
def test_the_file_is_that_of_prometheus_client(tmp_path: Path, keys: list[str], numbers: list[float]) -> None:
    ours, theirs = tmp_path / next(_names), tmp_path / next(_names)
    file, other = ValueFile(ours), MmapedDict(str(theirs))  # type: ignore[no-untyped-call]
    for key, number in zip(keys, numbers, strict=False):
        view, at = file.slot(key)
        view[at], view[at + 1] = number, 7.0
        other.write_value(key, number, 7.0)  # type: ignore[no-untyped-call]
    other.close()  # type: ignore[no-untyped-call]
    assert used(ours) == used(theirs)


def test_a_file_grows_and_what_was_given_out_stays_good(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    file = ValueFile(path)
    slots = [file.slot(f"key {number}" + "x" * 1000) for number in range(2500)]
    for number, (view, at) in enumerate(slots):
        view[at] += number
    assert [value for value, _ in read(path).values()] == list(range(2500))
    assert path.stat().st_size == 1 << 22


def test_who_gets_the_process_id_of_a_dead_worker_goes_on_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    for keys in (("one", "second"), ("second", "one"), ("one", "second")):
        file = ValueFile(path)
        for key in keys:
            view, at = file.slot(key)
            view[at] += len(key)
    assert read(path) == {"one": (9.0, 0.0), "second": (18.0, 0.0)}


@EACH
@given(amounts=st.lists(FINITE | st.sampled_from([0.1, 0.25, 5.0, 1e6]), max_size=20))
def test_a_histogram_counts_as_prometheus_clients_own(tmp_path: Path, amounts: list[float]) -> None:
    def histogram() -> Any:
        return Histogram("h", "help", registry=CollectorRegistry(), buckets=(0.1, 0.25, 5, 1e6))

    folders = [tmp_path / next(_names) for _ in range(2)]
    stores = []
    for folder in folders:
        folder.mkdir()
        stores.append(ValueStore(folder))
    with kept_in(stores[0]) as made:
        histogram()
    with kept_in(stores[1]):
        theirs = histogram()
    ours = StoredHistogram(made)
    for amount in amounts:
        ours.observe(amount)
        theirs.observe(amount)
    for store in stores:
        store.close()
    name = f"histogram_{os.getpid()}.db"
    assert used(folders[0] / name) == used(folders[1] / name)


def test_no_reader_sees_half_a_number(tmp_path: Path) -> None:
    """One process changes a number between two that have no byte in common, and another reads it all the while."""
    path = tmp_path / "counter_1.db"
    file = ValueFile(path)
    file.slot("x" * 4000)
    view, at = file.slot("key")
    one, other = memoryview(b"\x11" * 8).cast("d")[0], memoryview(b"\x22" * 8).cast("d")[0]
    view[at] = one
    writer = os.fork()
    if not writer:
        while os.getppid() != 1:
            view[at] = other
            view[at] = one
    try:
        seen = {read(path)["key"][0] for _ in range(20_000)}
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert seen == {one, other}


def test_all_numbers_of_a_request_are_counted_however_many_threads_count(tmp_path: Path) -> None:
    metrics = RequestMetrics(ValueStore(tmp_path), (0.1, 1))
    routes = ["/one", "/two", "/three"]

    def count() -> None:
        for number in range(3000):
            metrics.in_flight.inc(1)
            metrics.finished(("GET", routes[number % 3], "200"), 0.5, 10, None)
            metrics.in_flight.inc(-1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.in_flight.get() == 0
    numbers = read(tmp_path / f"histogram_{os.getpid()}.db")
    assert sum(value for key, (value, _) in numbers.items() if "size_bytes_sum" in key) == 120_000
    assert sum(value for key, (value, _) in numbers.items() if "duration_seconds_bucket" in key) == 12_000
    assert [value for value, _ in read(tmp_path / f"counter_{os.getpid()}.db").values()][-1] == 12_000


@pytest.mark.parametrize("amount", [0.05, 0.1, 3.0])
def test_an_exemplar_is_that_of_the_bucket_that_counts(tmp_path: Path, amount: float) -> None:
    metrics = RequestMetrics(ValueStore(tmp_path), (0.1, 1))
    metrics.finished(("GET", "/", "200"), amount, 1, {"trace_id": "ab"})
    text = (tmp_path / f"exemplars_{os.getpid()}.json").read_text()
    assert text.count("trace_id") == 1
    assert f'\\"le\\": \\"{("0.1", "1.0", "+Inf")[bisect_left((0.1, 1), amount)]}\\"' in text
