"""The queues that workers of the proof take tasks from, each with its worker's command, and the accounts of tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from background.ledger import Ledger
from background.pods import running
from harness.cluster.images import Images, build_folder
from harness.cluster.shell import run

SERVER_PORT = 6379
FOLDER = Path(__file__).parent
URL = f"redis://queue:{SERVER_PORT}"


@dataclass(frozen=True)
class Queue:
    """A kind of queue.

    command: the worker's. slots: how many tasks a pod of it does at a time. config: the worker's settings.
    """

    name: str
    command: Sequence[str]
    slots: int
    config: Mapping[str, str] = field(default_factory=dict)


CELERY = Queue("celery", ["celery", "--app", "jobs.by_celery", "worker", "--concurrency", "2"], 2)
# A job counts as abandoned 65 s after its last heartbeat. A worker looks for such jobs every 20 s, and an idle one when
# its wait for a job ends: after the worker's TTL less 15 s.
RQ_INTERVALS = ["--job-monitoring-interval", "5", "--maintenance-interval", "20", "--worker-ttl", "35"]
RQ = Queue("rq", ["rq", "worker", "--url", URL, *RQ_INTERVALS], 1)
DRAMATIQ = Queue(
    "dramatiq",
    ["dramatiq", "jobs.by_dramatiq", "--processes", "1", "--threads", "2", "--worker-shutdown-timeout", "25000"],
    2,
)
QUEUES = (CELERY, RQ, DRAMATIQ)


def build(images: Images) -> tuple[str, str, str]:
    """The first two images with the queues and the tasks in them, and that of the queue's server."""
    made = []
    for image in (images.first, images.second):
        made.append(f"{image}-workers")
        run(["docker", "build", "--tag", made[-1], "--build-arg", f"IMAGE={image}", FOLDER / "image"], timeout=900)
    return (
        made[0],
        made[1],
        build_folder("background/redis", "flask-app-redis:test"),
    )


@dataclass(frozen=True)
class Accounts:
    """What became of the tasks of one queue."""

    entries: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, ledger: Ledger, queue: Queue, first: int) -> Accounts:
        """Those of the tasks from number `first` on."""
        return cls([entry for entry in ledger.entries(queue=queue.name) if entry["job"] >= first])

    def times(self, event: str) -> Counter[int]:
        """How often each task was enqueued, has begun or has ended."""
        return Counter(entry["job"] for entry in self.entries if entry["event"] == event)

    @property
    def open(self) -> set[int]:
        """The tasks that were enqueued and have not ended."""
        return self.times("enqueued").keys() - self.times("ends").keys()

    @property
    def repeated(self) -> set[int]:
        """The tasks that began more than once."""
        return {job for job, times in self.times("begins").items() if times > 1}

    def in_flight(self, pod: str, start: float = float("inf"), end: float = float("inf")) -> set[int]:
        """The tasks that a pod had begun and not ended at some moment between two times, in seconds since the epoch."""

        def jobs(event: str, before: float) -> set[int]:
            return {e["job"] for e in self.entries if e["pod"] == pod and e["event"] == event and e["at"] < before}

        return jobs("begins", end) - jobs("ends", start)


@contextmanager
def producing(ledger: Ledger, image: str, queue: Queue, *, rate: float, seconds: float, first: int) -> Iterator[None]:
    """Tasks that come at a constant rate while the `with` block runs, numbered from `first`, each of some seconds."""
    command = ["python", "-m", "jobs.produce", str(rate), str(seconds), str(first)]
    env = {"QUEUE": queue.name, "QUEUE_URL": URL}
    with running(ledger.target, ledger.namespace, f"producer-{queue.name}", image, command=command, env=env):
        yield
