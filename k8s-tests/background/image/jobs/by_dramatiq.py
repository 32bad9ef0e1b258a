"""The task for Dramatiq."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from jobs.work import work

# Messages of a worker that is gone are looked for at random, with one command of a thousand by default: on a quiet
# queue that takes a quarter of an hour.
dramatiq.set_broker(RedisBroker(url=os.environ["QUEUE_URL"], maintenance_chance=50_000))


# notify_shutdown: the task is interrupted as soon as the worker is to terminate, and tried again elsewhere. Without it
# the worker waits for it.
@dramatiq.actor(max_retries=10, min_backoff=1000, notify_shutdown="INTERRUPT" in os.environ)
def do(job: int, seconds: float) -> None:
    """The task."""
    work(job, seconds)


def enqueue(job: int, seconds: float) -> None:
    """Put a task into the queue."""
    do.send(job, seconds)
