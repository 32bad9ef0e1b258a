"""Put tasks into a queue at a constant rate until this process ends: `python -m jobs.produce RATE SECONDS FIRST`.

SECONDS: how long each takes. FIRST: the number of the first one, so that no two producers use the same.
"""

import importlib
import itertools
import os
import sys
import time

from jobs.work import write


def main() -> None:
    """Produce."""
    rate, seconds, first = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    module = importlib.import_module(f"jobs.by_{os.environ['QUEUE']}")
    started = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        module.enqueue(first + number, seconds)
        write("enqueued", first + number)


if __name__ == "__main__":
    main()
