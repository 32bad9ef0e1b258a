"""What a task does, whichever queue it comes from: it takes a while, and the ledger is told when it begins and ends."""

import json
import os
import socket
import time
import urllib.request

LEDGER = os.environ.get("LEDGER", "http://ledger:8080")
STEP_SECONDS = 0.1


def write(event: str, job: int) -> None:
    """Write into the ledger."""
    entry = {"event": event, "job": job, "pod": socket.gethostname(), "queue": os.environ["QUEUE"]}
    urllib.request.urlopen(f"{LEDGER}/", json.dumps(entry).encode(), timeout=10)


def work(job: int, seconds: float) -> None:
    """Take so many seconds, in steps: some queues interrupt a task by an exception, which no system call notices."""
    write("begins", job)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    write("ends", job)
