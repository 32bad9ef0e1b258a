"""What slow clients of every kind do to fast ones, under each server: `make bench`."""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers import SERVERS, server

from tests.serving_process import request
from tests.test_slow_clients import CLIENTS, KINDS, application, slow_clients, slow_reader

SECONDS = 10.0
TIMEOUT = 10.0


def longest_wait(port: int) -> float:
    """The longest time, in seconds, that one of two fast clients waits for an answer; each sends one after the other.

    A request that takes longer than TIMEOUT counts as TIMEOUT.
    """

    def client(_: int) -> float:
        longest = 0.0
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            began = time.monotonic()
            try:
                request(port, "/", timeout=TIMEOUT)
            except OSError:
                return TIMEOUT
            longest = max(longest, time.monotonic() - began)
        return longest

    with ThreadPoolExecutor(2) as clients:
        return max(clients.map(client, range(2)))


def main() -> int:
    """Print a table."""
    print("| longest wait of a fast client | " + " | ".join(SERVERS) + " |")
    print("|---" * (len(SERVERS) + 1) + "|")
    for kind in KINDS:
        number = 30 if kind is slow_reader else CLIENTS
        row = [f"{number} clients: {(kind.__doc__ or '').lower().rstrip('.')}"]
        for name in SERVERS:
            with tempfile.TemporaryDirectory() as folder:
                variables = application(Path(folder))
                with server(name, **variables) as port, slow_clients(port, kind, number):
                    wait = longest_wait(port)
            row.append(f"over {TIMEOUT:.0f} s" if wait >= TIMEOUT else f"{wait * 1000:.0f} ms")
        print(f"| {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
