"""A server whose queue is stuck leaves the Service, but never all of a Deployment's at once."""

from __future__ import annotations

import ipaddress
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodrop.health.leaving import AWAY_SECONDS, SLOT_SECONDS, SLOTS, Leaving, has_turn
from nodrop.health.peers import FRESH_SECONDS, LOOK_SECONDS, Address, Peers, addresses, is_own_address
from nodrop.health.worker_state import WorkerStatus
from tests.serving_process import Server, own_application, serving, until

STUCK = """
import pathlib, time
from flask import Flask
app = Flask(__name__)
@app.get("/")
def index(): return "ok"
@app.get("/stuck")
def stuck():
    while not pathlib.Path(__file__).with_name("free").exists(): time.sleep(0.05)
    return "late"
"""
# Answers in the place of the cluster's name server, from a file.
RESOLVER = """
import pathlib, socket
own = socket.getaddrinfo
def getaddrinfo(host, *arguments, **named):
    if host != "shop-peers": return own(host, *arguments, **named)
    listed = pathlib.Path(__file__).with_name("listed").read_text().split()
    if not listed: raise socket.gaierror("none is ready")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in listed]
socket.getaddrinfo = getaddrinfo
"""


def worker(blocked_since: float) -> WorkerStatus:
    """A ready worker of 8 threads, of which none has taken a request since then; 0 if one is free."""
    return WorkerStatus(1, True, 1000.0, 8, 0, 0.0, blocked_since, 0, ())


# --- Without knowing the other pods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "blocked_since", "leaves"),
    [
        (15, [984.0], True),
        (15, [986.0], False),
        (15, [0.0], False),
        # One worker that takes requests is enough.
        (15, [900.0, 0.0], False),
        (15, [900.0, 980.0], True),
        # Without a limit, requests may wait for any time.
        (0, [100.0], False),
    ],
)
def test_only_a_server_none_of_whose_workers_takes_a_request_leaves(
    timeout: int, blocked_since: list[float], leaves: bool
) -> None:
    turn = next(second for second in itertools.count(0.0) if has_turn("pod", second))
    leaving = Leaving(timeout, None, pod="pod", now=lambda: turn)
    problem = leaving.problem([worker(since) for since in blocked_since], 1000.0)
    assert (problem is not None) is leaves


def test_a_stuck_server_is_away_for_a_bounded_part_of_the_time_and_then_stays_for_a_while() -> None:
    now = 0.0
    leaving = Leaving(15, None, pod="shop-5d8f7c-x2x7b", now=lambda: now)
    away = []
    for second in range(100 * SLOTS * SLOT_SECONDS):
        now = float(second)
        away.append(leaving.problem([worker(1.0)], 1000.0) is not None)
    runs = [(each, len(list(run))) for each, run in itertools.groupby(away)]
    assert {length for is_away, length in runs if is_away} == {AWAY_SECONDS}
    assert min(length for is_away, length in runs[1:] if not is_away) >= 30
    assert sum(away) / len(away) == AWAY_SECONDS / (SLOTS * SLOT_SECONDS)


@pytest.mark.parametrize(("pods", "most"), [(2, 0.23), (3, 0.06), (5, 0.005)])
def test_stuck_pods_that_know_nothing_of_each_other_are_rarely_away_at_once(pods: int, most: float) -> None:
    """In one round of 5 ** (1 - pods): 20 %, 4 %, 0.16 %. No two of different slots are away together for a moment."""
    rounds = 2000
    names = [f"shop-5d8f7c-{number}" for number in range(pods)]
    starts = [round_ * SLOTS * SLOT_SECONDS + slot * SLOT_SECONDS for round_ in range(rounds) for slot in range(SLOTS)]
    together = sum(all(has_turn(name, start + 1) for name in names) for start in starts)
    assert together / rounds < most


def test_the_slots_of_a_round_are_chosen_at_random() -> None:
    chosen = [
        slot
        for round_ in range(1000)
        for slot in range(SLOTS)
        if has_turn("shop-5d8f7c-x2x7b", (round_ * SLOTS + slot) * SLOT_SECONDS)
    ]
    assert len(chosen) == 1000
    assert set(chosen) == set(range(SLOTS - 1))
    assert all(150 < chosen.count(slot) < 250 for slot in range(SLOTS - 1))


# --- Knowing them -----------------------------------------------------------------------------------------------------


class Cluster:
    """Pods, all of them stuck, and a name server that lists those that are ready, be it late."""

    def __init__(self, number: int) -> None:
        self.now = 0.0
        self.pods: dict[Address, Peers] = {}
        self.ready: list[Address] = [
            ipaddress.ip_address(f"10.0.{each // 200}.{each % 200 + 1}") for each in range(number)
        ]
        self.listed = list(self.ready)
        for address in self.ready:
            self.pods[address] = self.peers(address)

    def peers(self, own: Address) -> Peers:
        """What a pod knows of the others."""
        return Peers("shop-peers", look_up=self.look_up, is_own=lambda each: each == own, now=lambda: self.now)

    def look_up(self, name: str) -> list[Address]:
        assert name == "shop-peers"
        if not self.listed:
            raise OSError("no such name")
        return list(self.listed)

    def probe(self, pod: Address) -> bool:
        """Ask a pod twice, since it looks the name up in between; whether it is away."""
        peers = self.pods[pod]
        for _ in range(2):
            away = peers.may_leave()
            if peers._looking:
                peers._looking.join()
        self.ready = [each for each in self.pods if each != pod and each in self.ready] + ([] if away else [pod])
        return away

    def later(self) -> None:
        """The next probe is due."""
        self.now += LOOK_SECONDS + 1


@pytest.mark.parametrize(("number", "stay"), [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5)])
def test_of_pods_that_become_stuck_together_half_stay(number: int, stay: int) -> None:
    cluster = Cluster(number)
    for _ in range(20):
        for pod in cluster.pods:
            cluster.probe(pod)
        cluster.listed = list(cluster.ready)
        cluster.later()
        assert len(cluster.ready) >= stay
    assert len(cluster.ready) == stay


@pytest.mark.parametrize("late", [1, 3, 7, 50])
def test_one_stays_however_late_a_pod_sees_who_is_ready(late: int) -> None:
    cluster = Cluster(5)
    history = [list(cluster.ready)]
    for _ in range(100):
        for pod in cluster.pods:
            cluster.listed = history[max(0, len(history) - late)]
            cluster.probe(pod)
            history.append(list(cluster.ready))
            assert cluster.ready
        cluster.later()


def test_a_pod_that_is_away_comes_back_when_no_other_is_ready() -> None:
    cluster = Cluster(2)
    first, second = cluster.pods
    assert cluster.probe(first)
    cluster.later()
    cluster.listed = [second]
    assert cluster.probe(first), "the other is ready"
    cluster.listed = [first]
    cluster.later()
    assert not cluster.probe(first), "the other is not, and the list is late"
    cluster.listed = [first, second]
    cluster.later()
    assert cluster.probe(first)
    cluster.listed = []
    cluster.now += FRESH_SECONDS + 1
    assert not cluster.probe(first)


class Seldom:
    """The first of two pods, which is asked every 30 seconds, and gets an answer of the name server in between."""

    def __init__(self) -> None:
        first, second = (ipaddress.ip_address(each) for each in ("10.0.0.1", "10.0.0.2"))
        self.listed, self.now = [first, second], 0.0
        self._may_answer = threading.Event()
        self.peers = Peers("peers", look_up=self.look_up, is_own=lambda each: each == first, now=lambda: self.now)

    def look_up(self, name: str) -> list[Address]:
        assert name == "peers"
        assert self._may_answer.wait(10)
        if not self.listed:
            raise OSError("no such name")
        return self.listed

    def leaves(self) -> bool:
        self.now += 30
        self._may_answer.clear()
        leaves = self.peers.may_leave()
        self._may_answer.set()
        assert self.peers._looking
        self.peers._looking.join()
        return leaves


def test_a_pod_that_is_asked_seldom_leaves_too_and_comes_back_without_an_answer() -> None:
    """What it saw when it was asked last is the latest that it can know."""
    pod = Seldom()
    assert [pod.leaves() for _ in range(3)] == [False, True, True]
    pod.listed = []
    assert [pod.leaves() for _ in range(3)] == [True, False, False]


def test_what_was_seen_before_a_pod_had_no_reason_to_leave_does_not_count() -> None:
    pod = Seldom()
    assert [pod.leaves() for _ in range(2)] == [False, True]
    pod.peers.forget()
    assert [pod.leaves() for _ in range(2)] == [False, True]


def test_a_pod_that_had_no_reason_to_leave_meanwhile_counts_the_others_again() -> None:
    cluster = Cluster(3)
    first, second, _ = cluster.pods
    assert not cluster.probe(second), "it is not the first"
    assert cluster.probe(first)
    cluster.listed = list(cluster.ready)
    cluster.later()
    assert not cluster.probe(second), "one of three would stay"
    cluster.pods[second].forget()
    assert cluster.probe(second), "one of two stays"


def test_what_can_be_no_name_is_like_one_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    peers = Peers("shop..peers")
    assert not peers.may_leave()
    assert peers._looking
    peers._looking.join()
    assert not failed


def test_addresses_of_this_host_are_told_from_others() -> None:
    assert is_own_address(ipaddress.ip_address("127.0.0.1"))
    # Of a network for documentation (RFC 5737).
    assert not is_own_address(ipaddress.ip_address("192.0.2.1"))
    assert {str(each) for each in addresses("127.0.0.1")} == {"127.0.0.1"}
    with pytest.raises(OSError, match=r"."):
        addresses("nobody.invalid")


# --- The whole server -------------------------------------------------------------------------------------------------


@contextmanager
def stuck(folder: Path, **variables: str) -> Iterator[tuple[Server, Callable[[], None]]]:
    """A server whose threads are all stuck while requests come, and what frees them."""
    limits = {"WEB_THREADS": "2", "QUEUE_TIMEOUT": "1", "GRACEFUL_TIMEOUT": "1", "STALL_TIMEOUT": "600"}
    with (
        serving(folder, **own_application(folder, STUCK), **limits, **variables) as server,
        ThreadPoolExecutor(4) as clients,
    ):
        try:
            for _ in range(2):
                clients.submit(server.get, "/stuck")
            until("they are stuck", lambda: server.metrics()["nodrop_threads_busy"] == 2)
            clients.submit(server.get, "/")
            yield server, (folder / "free").touch
        finally:
            (folder / "free").touch()


def why(server: Server) -> bytes:
    """What /readyz says."""
    return server.manage("/readyz").body


LEFT = b"not ready: no thread has taken a request for "


def test_a_stuck_server_leaves_while_others_stay_and_is_back_as_soon_as_a_thread_is_free(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(RESOLVER)
    listed = tmp_path / "listed"
    # Of this host, and of nobody, which is higher.
    listed.write_text("127.0.0.1 192.0.2.1")
    with stuck(tmp_path, PEER_SERVICE="shop-peers") as (server, free):
        until("it leaves", lambda: why(server).startswith(LEFT), timeout=10)
        assert why(server).endswith(b" s, though some have waited (QUEUE_TIMEOUT=1)\n")
        assert server.manage("/livez").status == 200
        # The endpoints follow; that it is not among them does not bring it back.
        listed.write_text("192.0.2.1")
        end = time.monotonic() + LOOK_SECONDS + 2
        while time.monotonic() < end:
            assert server.manage("/readyz").status == 503
            time.sleep(0.2)
        free()
        until("it is back", server.is_ready, timeout=10)
        assert server.get("/").status == 200
        told = [entry["message"] for entry in server.log() if entry["message"].startswith((LEFT.decode(), "ready"))]
        assert [message[:9] for message in told] == ["ready", "not ready", "ready"]


@pytest.mark.parametrize("listed", ["127.0.0.1", "10.0.0.1 127.0.0.1 192.0.2.1", ""])
def test_a_stuck_server_stays_where_it_is_alone_or_not_the_first(tmp_path: Path, listed: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(RESOLVER)
    (tmp_path / "listed").write_text(listed)
    with stuck(tmp_path, PEER_SERVICE="shop-peers") as (server, _):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert server.manage("/readyz").status == 200
            time.sleep(0.2)


@pytest.mark.parametrize("turn", [True, False])
def test_a_stuck_server_that_knows_no_other_leaves_when_it_is_its_turn(tmp_path: Path, turn: bool) -> None:
    """Its clock is set: a turn of its own begins in a few seconds, or none for long."""
    began, name = time.time(), socket.gethostname()
    hoped_for = [turn and 5 <= second < 5 + AWAY_SECONDS for second in range(40)]
    ahead = next(
        each
        for each in itertools.count()
        if [has_turn(name, began + each + second) for second in range(40)] == hoped_for
    )
    (tmp_path / "sitecustomize.py").write_text(f"import time\nown = time.time\ntime.time = lambda: own() + {ahead}\n")
    with stuck(tmp_path) as (server, _):
        if turn:
            until("it leaves", lambda: why(server).startswith(LEFT), timeout=20)
            until("its turn is over", server.is_ready, timeout=AWAY_SECONDS + 2)
        else:
            time.sleep(3)
            assert server.manage("/readyz").status == 200
