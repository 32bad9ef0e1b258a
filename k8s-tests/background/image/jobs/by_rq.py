"""The task for RQ."""

import os

import redis
import rq

from jobs.work import work

queue = rq.Queue(connection=redis.Redis.from_url(os.environ["QUEUE_URL"]))


def enqueue(job: int, seconds: float) -> None:
    """Put a task into the queue. With a Retry, since RQ counts the task of a worker that was killed as failed."""
    queue.enqueue(work, job, seconds, job_timeout=600, retry=rq.Retry(max=3), result_ttl=0)
