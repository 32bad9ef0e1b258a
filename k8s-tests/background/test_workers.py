"""Workers that terminate with tasks in flight: each task is done once, or given back and done again; none is lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import cluster as kind_cluster
from background import ledger, queues
from background.pods import running
from background.queues import CELERY, DRAMATIQ, RQ, Accounts, Queue, producing
from background.working import GRACE_SECONDS, REPLICAS, Terminations, Working, values
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.nodes import Nodes
from harness.cluster.release import TEST_VALUES, Release, Target

# Of each task in the announced faults.
TASK_SECONDS = 2.0
# Of one that takes longer than a worker is given.
LONG_SECONDS = 25.0
SHORT_GRACE_SECONDS = 10
# The number of the first task of each test: no two have the same.
FIRST = itertools.count(10_000, 10_000)

Images_ = tuple[str, str, str]


@pytest.fixture(scope="module")
def images_of_workers(images_: Images, target: Target) -> Images_:
    built = queues.build(images_)
    kind_cluster.load(target.context.removeprefix("kind-"), *built)
    return built


@pytest.fixture(scope="module")
def ledger_(target: Target, namespace: str, images_of_workers: Images_) -> Iterator[ledger.Ledger]:
    """A ledger, and the server of the queues."""
    with (
        ledger.kept(target, namespace, images_of_workers[0]) as kept,
        running(target, namespace, "queue", images_of_workers[2], port=queues.SERVER_PORT),
    ):
        yield kept


def start(
    queue: Queue, kept: ledger.Ledger, images: Images_, folder: Path, config: dict[str, str], grace: int
) -> Working:
    """A release with two workers for this queue."""
    file = folder / f"{queue.name}.yaml"
    file.write_text(yaml.safe_dump(values(queue, config, grace)))
    release = Release(kept.target, kept.namespace, name=queue.name, values_files=[TEST_VALUES, file])
    release.upgrade(images[0])
    working = Working(release, queue, kept, (images[0], images[1]))
    working.wait_at_full_strength()
    return working


@pytest.fixture(scope="module")
def working(
    request: pytest.FixtureRequest,
    ledger_: ledger.Ledger,
    images_of_workers: Images_,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Working]:
    """A release with two workers, which finish their tasks before they end."""
    queue: Queue = request.param
    started = start(queue, ledger_, images_of_workers, tmp_path_factory.mktemp("values"), {}, GRACE_SECONDS)
    yield started
    started.release.uninstall()


def rolling_update(working: Working) -> None:
    """helm upgrade to the other image."""
    runs = working.release.image
    working.release.upgrade(next(image for image in working.images if image != runs))


def deleted(working: Working) -> None:
    """Every pod is deleted, one after the other."""
    for name in sorted(working.names()):
        working.delete(name)
        working.wait_at_full_strength()


def drained(working: Working) -> None:
    """A node that has a worker is drained."""
    nodes = Nodes(working.release.target)
    node = working.node_of(min(working.names()))
    try:
        nodes.drain(node)
    finally:
        nodes.uncordon(node)


FAULTS = (rolling_update, deleted, drained)
STANDARD = [(CELERY, rolling_update), (CELERY, drained)]
COMPLETE = [(CELERY, deleted)] + [(RQ, fault) for fault in FAULTS] + [(DRAMATIQ, fault) for fault in FAULTS]


@pytest.mark.parametrize(
    ("working", "fault"),
    [*STANDARD, *(pytest.param(*each, marks=pytest.mark.complete) for each in COMPLETE)],
    indirect=["working"],
    ids=lambda value: value.name if isinstance(value, Queue) else value.__name__.replace("_", "-"),
)
def test_every_task_is_done_exactly_once_though_workers_terminate(
    working: Working, fault: Callable[[Working], None]
) -> None:
    """The queue is never empty, so that each worker has tasks in flight when it is told to terminate."""
    first = next(FIRST)
    before, capacity = working.names(), REPLICAS * working.queue.slots / TASK_SECONDS

    def accounts() -> Accounts:
        return Accounts.of(working.ledger, working.queue, first)

    with (
        producing(
            working.ledger, working.images[0], working.queue, rate=capacity * 1.3, seconds=TASK_SECONDS, first=first
        ),
        Terminations(working) as terminations,
    ):
        wait.until("every worker is busy", lambda: all(accounts().in_flight(pod) for pod in before), timeout=60)
        fault(working)
        working.wait_at_full_strength()
    wait.until("every task is done", lambda: not accounts().open, timeout=90, interval=1)
    found = accounts()
    print(f"{len(found.times('enqueued'))} tasks, pods terminated: {sorted(terminations.told)}")
    assert terminations.told, "no pod was seen to terminate"
    for pod, at in terminations.told.items():
        # Kubernetes keeps whole seconds.
        assert found.in_flight(pod, at, at + 1), f"{pod} had nothing in flight when it was told to terminate"
    assert found.repeated == set()
    assert set(found.times("ends").values()) == {1}


# Celery and Dramatiq can give it back by themselves. If they don't, and with RQ, its pod is killed, which the other
# workers notice after a while. Each with the seconds that this may take.
GIVEN_BACK = (
    pytest.param(
        CELERY,
        {"REMAP_SIGTERM": "SIGQUIT", "SOFT_SHUTDOWN_SECONDS": "5"},
        20,
        id="celery-given-back",
        marks=pytest.mark.complete,
    ),
    pytest.param(DRAMATIQ, {"INTERRUPT": "yes"}, 20, id="dramatiq-interrupted", marks=pytest.mark.complete),
    pytest.param(CELERY, {"VISIBILITY_SECONDS": "45"}, 120, id="celery-killed", marks=pytest.mark.complete),
    pytest.param(RQ, {}, 200, id="rq-killed", marks=pytest.mark.complete),
    pytest.param(DRAMATIQ, {}, 200, id="dramatiq-killed", marks=pytest.mark.complete),
)


@pytest.mark.parametrize(("queue", "config", "seconds"), GIVEN_BACK)
def test_a_task_longer_than_its_worker_is_given_is_done_by_another(
    queue: Queue,
    config: dict[str, str],
    seconds: float,
    ledger_: ledger.Ledger,
    images_of_workers: Images_,
    tmp_path: Path,
) -> None:
    """It is never lost, and has begun twice: so it must be able to."""
    working = start(queue, ledger_, images_of_workers, tmp_path, config, SHORT_GRACE_SECONDS)
    first = next(FIRST)

    def accounts() -> Accounts:
        return Accounts.of(ledger_, queue, first)

    try:
        with producing(ledger_, images_of_workers[0], queue, rate=2.0, seconds=LONG_SECONDS, first=first):
            wait.until("a worker is busy", lambda: accounts().times("begins"), timeout=60)
        pod = next(entry["pod"] for entry in accounts().entries if entry["event"] == "begins")
        interrupted = accounts().in_flight(pod)
        working.delete(pod)
        wait.until("every task is done", lambda: not accounts().open, timeout=seconds + 6 * LONG_SECONDS, interval=2)
        found = accounts()
        assert interrupted <= found.repeated, "it was not interrupted"
        for job in interrupted:
            assert found.times("ends")[job] == 1
            assert any(e["job"] == job and e["event"] == "ends" and e["pod"] != pod for e in found.entries)
    finally:
        working.release.uninstall()
