"""The task for Celery, with the settings that lose none when a worker terminates."""

import os

import celery

from jobs.work import work

app = celery.Celery("jobs", broker=os.environ["QUEUE_URL"])
app.conf.update(
    # A task leaves the queue when it is done, not when it begins.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # With REMAP_SIGTERM=SIGQUIT: time for the tasks in flight, after which they are given back.
    worker_soft_shutdown_timeout=float(os.environ.get("SOFT_SHUTDOWN_SECONDS", "0")),
    # Redis gives back what a killed worker held after this time, which must be longer than any task.
    broker_transport_options={"visibility_timeout": int(os.environ.get("VISIBILITY_SECONDS", "3600"))},
    task_ignore_result=True,
)


@app.task
def do(job: int, seconds: float) -> None:
    """The task."""
    work(job, seconds)


def enqueue(job: int, seconds: float) -> None:
    """Put a task into the queue."""
    do.delay(job, seconds)
