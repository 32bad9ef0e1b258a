"""Sends requests at steady rates until it is stopped, and ignores their outcome.

    python -m observability.clients RATE=URL...      (requests a second; hold=URL keeps one answer open)

Standard library only: it runs in the image of Prometheus.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from urllib.request import urlopen

TIMEOUT_SECONDS = 30


def request(url: str) -> None:
    """One request."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            answer.read()
    except OSError:
        pass


def send(rate: float, url: str) -> None:
    """Begin a request every 1/rate seconds, however long they take."""
    due = time.monotonic()
    while True:
        threading.Thread(target=request, args=(url,), daemon=True).start()
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))


def hold(url: str) -> None:
    """Keep one answer open."""
    while True:
        request(url)
        time.sleep(0.2)


if __name__ == "__main__":
    # As the first process of a container it would not end otherwise, but be killed together with its network, so that
    # no server would learn that its clients are gone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    for argument in sys.argv[1:]:
        rate, _, url = argument.partition("=")
        if rate == "hold":
            threading.Thread(target=hold, args=(url,), daemon=True).start()
        else:
            threading.Thread(target=send, args=(float(rate), url), daemon=True).start()
    threading.Event().wait()
