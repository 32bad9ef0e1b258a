"""The threads, each of which runs one request after the other."""

from __future__ import annotations

import collections
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from nodrop.health.worker_state import WorkerReport
from nodrop.http.answers.answering import Answering
from nodrop.http.answers.refusals import Refusal
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.in_flight import InFlight
from nodrop.http.lifecycle import Lifecycle
from nodrop.http.loop import Loop
from nodrop.system import children


class Threads:
    """Takes complete requests in the order in which they came, and hands their connections back to the loop."""

    def __init__(self, number: int, report: WorkerReport, in_flight: InFlight, log: Any) -> None:
        """log: gunicorn's."""
        self._report = report
        self._in_flight = in_flight
        self._log = log
        self._requests: queue.SimpleQueue[Connection | Callable[[], None]] = queue.SimpleQueue()
        # Since when each request in the queue has been there.
        self._handed_over: collections.deque[float] = collections.deque()
        self.finishing = 0
        """Requests of which something is left to be done, after their answer."""
        self._finishing_lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._serve, args=(each,), name=f"request-{each}", daemon=True)
            for each in range(number)
        ]

    def start(self, loop: Loop, lifecycle: Lifecycle, answering: Answering) -> None:
        """Begin to take requests."""
        self._loop = loop
        self._lifecycle = lifecycle
        self._answering = answering
        for thread in self.threads:
            thread.start()

    def hand_over(self, connection: Connection) -> None:
        """Have a thread answer the connection's request. Called by the loop."""
        self._handed_over.append(connection.handed_over)
        self._requests.put(connection)

    def hand_over_finish(self, finish: Callable[[], None]) -> None:
        """Have a thread do what is left of a request. Called by the loop."""
        with self._finishing_lock:
            self.finishing += 1
        self._handed_over.append(time.monotonic())
        self._requests.put(finish)

    @property
    def waiting(self) -> int:
        """Requests that no thread has taken."""
        return self._requests.qsize()

    @property
    def waiting_since(self) -> float:
        """When the oldest of these began to wait; 0 if there is none."""
        try:
            return self._handed_over[0]
        except IndexError:
            return 0.0

    def _serve(self, number: int) -> None:
        while True:
            work = self._requests.get()
            # One for each that was put, in the same order, whichever thread comes first.
            self._handed_over.popleft()
            self._report.request_started(number)
            if isinstance(work, Connection):
                self._answer(work, number)
            else:
                self._finish(work)
                self._report.request_finished(number)

    def _finish(self, finish: Callable[[], None]) -> None:
        try:
            finish()
        except BaseException:
            self._log.exception("Error after the answer to a request")
        finally:
            with self._finishing_lock:
                self.finishing -= 1

    def _answer(self, connection: Connection, number: int) -> None:
        connection.thread = number
        keep, finish, refusal = False, None, None
        try:
            keep, finish = self._answering.answer(connection)
        except Refusal as refused:
            refusal = refused
        except ClientGone as gone:
            self._log.debug("Connection closed: %s", gone)
            connection.abort()
        except BaseException as error:
            if children.is_child:
                children.leave("a request", error)
            self._log.exception("Error handling request")
            connection.abort()
        # Before the loop knows: a stop would name it as cut off.
        self._in_flight.end(number)
        self._report.request_finished(number)
        if refusal:
            self._loop.call(connection, self._lifecycle.refuse, refusal)
        else:
            self._loop.call(connection, self._lifecycle.finished, keep, finish)
