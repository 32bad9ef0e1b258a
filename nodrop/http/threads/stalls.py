"""Logs where a request stands that makes no progress; /livez tells the rest."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Mapping

from nodrop.health.worker_state import WorkerReport
from nodrop.http.threads.in_flight import InFlight
from nodrop.http.threads.pool import RequestThread


class Stalls:
    """Looks at the threads now and then."""

    def __init__(
        self, threads: Mapping[int, RequestThread], report: WorkerReport, in_flight: InFlight, timeout: float
    ) -> None:
        """threads: by number. timeout: STALL_TIMEOUT in seconds; 0 for never."""
        self._threads = threads
        self._report = report
        self._in_flight = in_flight
        self._timeout = timeout
        self._told: set[int] = set()

    def tick(self, now: float) -> None:
        """Log each request that has made no progress for STALL_TIMEOUT, once."""
        if not self._timeout:
            return
        for number, thread in self._threads.items():
            if self._report.stalled_for(number, now) <= self._timeout:
                self._told.discard(number)
            elif number not in self._told:
                self._tell(number, thread.thread)

    def _tell(self, number: int, thread: threading.Thread) -> None:
        frame = sys._current_frames().get(thread.ident or 0)
        environ = self._in_flight.of(number)
        if frame and environ:
            self._told.add(number)
            self._in_flight.log(
                f"has made no progress for STALL_TIMEOUT={self._timeout} seconds",
                environ,
                stack="".join(traceback.format_stack(frame)),
            )
