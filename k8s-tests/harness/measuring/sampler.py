"""The replicas of a Deployment over time, looked at several times a second."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from harness.measuring.records import InvalidRun

INTERVAL_SECONDS = 0.25
LONGEST_GAP_SECONDS = 5.0
# The client tries four times by itself, which must not be the gap.
REQUEST_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """The Deployment's numbers at one moment; `at` in seconds since the epoch."""

    at: float
    desired: int
    ready: int
    available: int


class Sampler:
    """Samples a Deployment in a thread while the `with` block runs. `samples` grows meanwhile."""

    def __init__(self, apps: Any, namespace: str, name: str) -> None:
        self._read: Callable[[], Any] = lambda: apps.read_namespaced_deployment(
            name, namespace, _request_timeout=REQUEST_SECONDS
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = self._ended = 0.0
        self._error: BaseException | None = None
        self.samples: list[Sample] = []

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            try:
                deployment = self._read()
            except Exception as error:
                # The API server itself may be what is broken.
                self._error = error
                continue
            status = deployment.status
            self.samples.append(
                Sample(
                    time.time(), deployment.spec.replicas, status.ready_replicas or 0, status.available_replicas or 0
                )
            )

    def __enter__(self) -> Sampler:
        self._started = time.time()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = time.time()
        self._stop.set()
        self._thread.join(30)

    def require_complete(self) -> None:
        """Raise InvalidRun if there was a time in which the replicas were not looked at: nothing is known of it."""
        times = [self._started, *(sample.at for sample in self.samples), self._ended or time.time()]
        longest = max(later - earlier for earlier, later in itertools.pairwise(times))
        if longest > LONGEST_GAP_SECONDS + INTERVAL_SECONDS:
            why = f": {self._error}" if self._error else ""
            raise InvalidRun(f"the replicas were not looked at for {longest:.1f} s{why}")

    def fewest_ready(self) -> int:
        """The fewest ready replicas seen. Raises ValueError if nothing was seen."""
        return min(sample.ready for sample in self.samples)

    def fewest_desired(self) -> int:
        """The lowest number that was asked for. Raises ValueError if nothing was seen."""
        return min(sample.desired for sample in self.samples)

    def most_desired(self) -> int:
        """The highest number that was asked for. Raises ValueError if nothing was seen."""
        return max(sample.desired for sample in self.samples)
