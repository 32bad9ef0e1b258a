"""The threads: one of them runs the loop, and runs the requests that it finds complete there itself.

Nothing is handed over while handlers are short: the thread that has read a request runs the application and answers.
When a request blocks it, the main thread, which watches (watch.py), gives the loop to another one. While requests keep
blocking, a thread gives the loop away before it begins a request.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from nodrop.health.worker_state import WorkerReport
from nodrop.http.answers.answering import Answering
from nodrop.http.answers.refusals import Refusal
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.event_loop.lifecycle import Lifecycle
from nodrop.http.event_loop.loop import Loop
from nodrop.http.threads.in_flight import InFlight
from nodrop.http.threads.request_queue import RequestQueue, Work
from nodrop.system import children

BLOCKED_SECONDS = 0.005
"""A request that takes longer blocks whoever runs the loop. Half as long is too short: on two busy cores a
thread that merely waits for the processor would count."""
SPREAD_SECONDS = 0.1
MOST_SPREAD_SECONDS = 1.6
"""For how long after a request has waited that long, for a database or another service, the loop is given away before
each request. It is twice as long each time that the next one follows soon, since each costs BLOCKED_SECONDS to find."""
STREAM_SECONDS = 0.1
"""An answer that goes on for longer, from its first byte on, gives its place to another thread when one is needed."""
REFUSED_SECONDS = 1.0
"""How long no thread is asked for once the system has refused one."""


class RequestThread:
    """One thread, and what it does now."""

    def __init__(self, number: int, run: Callable[[RequestThread], None]) -> None:
        self.number = number
        """Of its place in the worker's report."""
        self.connection: Connection | None = None
        """The connection whose request it runs."""
        self.streams = False
        """Its request has given its place among WEB_THREADS to another thread."""
        self.woken = threading.Lock()
        """Held while it has nothing to do; whoever has something for it releases it."""
        self.woken.acquire()
        self.thread = threading.Thread(target=run, args=(self,), name=f"request-{number}", daemon=True)


class Threads:
    """All of a worker's. The loop's lock is held for everything but `start`, and while the application runs."""

    def __init__(
        self,
        number: int,
        loop: Loop,
        queue: RequestQueue,
        lifecycle: Lifecycle,
        answering: Answering,
        report: WorkerReport,
        in_flight: InFlight,
        log: Any,
        *,
        max_streams: int,
        wake_watch: Callable[[], None],
    ) -> None:
        """number: WEB_THREADS. log: gunicorn's. wake_watch: called when the main thread has something to do."""
        self._number = number
        self._max_streams = max_streams
        self._loop = loop
        self._queue = queue
        self._lifecycle = lifecycle
        self._answering = answering
        self._report = report
        self._in_flight = in_flight
        self._log = log
        self._wake_watch = wake_watch
        self.all: dict[int, RequestThread] = {}
        """By number."""
        self.idle: list[RequestThread] = []
        """Those that have nothing to do; the last is taken first, whose memory is warm."""
        self.poller: RequestThread | None = None
        """Whoever runs the loop; it comes back to it after a request, unless that took too long."""
        self.main_polls = False
        """The main thread runs the loop, since all others are in requests."""
        self.away_since = 0.0
        """When the poller has begun the request that it runs, by time.monotonic(); 0 if it runs none."""
        self.spent = 0.0
        """Seconds that pollers have been in requests that are over."""
        self.begun = 0
        """Requests that a poller has begun."""
        self.watched = True
        """The main thread looks often enough to see that a request blocks the poller."""
        self.finishing = 0
        """Requests of which something is left to be done, after their answer."""
        self.failure: BaseException | None = None
        """What has ended a thread: a defect of this server."""
        self._held = lifecycle.held
        # Where threads are greenlets, nobody would see at once that one of them waits.
        self._can_hold = loop.descriptor is not None
        self._streams = 0
        self._no_more_until = 0.0
        self._spread_until = 0.0
        self._spread_seconds = SPREAD_SECONDS

    def start(self) -> None:
        """Begin to take requests. Called without the lock."""
        with self._loop.lock:
            for _ in range(self._number):
                self._add()

    def _add(self) -> RequestThread:
        number = next(each for each in range(self._number + self._max_streams) if each not in self.all)
        made = RequestThread(number, self._serve)
        made.thread.start()
        self.all[number] = made
        return made

    # --- Who runs the loop -------------------------------------------------------------------------------------------

    def relieve(self, waits: bool) -> None:
        """Let another run the loop, since a request blocks the poller. waits: it waits, and does not compute."""
        if waits:
            self.spread(time.monotonic())
        self.away_since, self.poller, self.main_polls = 0.0, None, True
        # What it has answered so far does not wait for it.
        self._held.pause(time.monotonic())
        self._lifecycle.send_held()
        self.appoint()

    def spread(self, now: float) -> None:
        """Have the loop given away before each request for a while, since requests wait."""
        # Only what was seen to wait counts, not how long requests take: that grows by itself where threads compete for
        # the interpreter's lock, as they do once the loop is given away.
        follows_soon = now < self._spread_until + SPREAD_SECONDS
        self._spread_seconds = min(2 * self._spread_seconds, MOST_SPREAD_SECONDS) if follows_soon else SPREAD_SECONDS
        self._spread_until = now + self._spread_seconds

    def appoint(self) -> None:
        """Have one of the threads run the loop in the main thread's place, if one is free for it."""
        if self.idle:
            self._give_to(self.idle.pop())
        elif self._queue and (added := self._replace_streams()):
            self.poller = added
        else:
            return
        self.main_polls = False

    def _give_to(self, thread: RequestThread) -> None:
        self.poller = thread
        thread.woken.release()

    def _replace_streams(self) -> RequestThread | None:
        """Add a thread for each request that streams, since others follow: the first of them, if there are any."""
        first, now = None, time.monotonic()
        for thread in list(self.all.values()):
            if self._streams < self._max_streams and not thread.streams and _is_stream(thread, now):
                thread.streams = True
                self._streams += 1
                self._report.request_streams(thread.number)
        # One whose stream has ended is there still, if there was a request for it.
        while len(self.all) - self._streams < self._number and (added := self._add_if_possible()):
            first = first or added
        return first

    def _add_if_possible(self) -> RequestThread | None:
        """Another thread; None if the system gives none, as where a pod may have no more processes."""
        now = time.monotonic()
        if now < self._no_more_until:
            return None
        try:
            return self._add()
        except RuntimeError as error:
            self._no_more_until = now + REFUSED_SECONDS
            self._log.warning("can't start a thread in the place of one that streams: %s", error)
            return None

    # --- A thread ----------------------------------------------------------------------------------------------------

    def _serve(self, thread: RequestThread) -> None:
        try:
            with self._loop.lock:
                while self._go_on(thread):
                    pass
        except BaseException as error:
            self.failure = error
            self._wake_watch()

    def _go_on(self, thread: RequestThread) -> bool:
        """Do what is next; whether the thread is still needed."""
        lock, now = self._loop.lock, time.monotonic()
        if self._held and (not self._queue or self._held.is_due(now)):
            # With that, other requests of the same clients may be complete.
            self._lifecycle.send_held()
        if work := self._queue.take(now):
            self._run(thread, work, now)
        elif self.poller is thread or (self.poller is None and not self.main_polls):
            self.poller = thread
            if self._held:
                # The requests that they waited for were not worth running.
                return True
            lock.release()
            try:
                ready = self._loop.wait(math.inf)
            finally:
                lock.acquire()
            self._loop.handle(ready)
        elif len(self.all) - self._streams > self._number:
            del self.all[thread.number]
            return False
        else:
            self.idle.append(thread)
            lock.release()
            try:
                thread.woken.acquire()
            finally:
                lock.acquire()
        return True

    def _run(self, thread: RequestThread, work: Work, began: float) -> None:
        if self.poller is thread:
            if began < self._spread_until and self.idle:
                self._lifecycle.send_held()
                self._give_to(self.idle.pop())
            else:
                if self._queue and self._can_hold:
                    self._held.allow(thread.number, began)
                self.begun += 1
                self.away_since = began
                if not self.watched:
                    self.watched = True
                    self._wake_watch()
        self._report.request_started(thread.number, began)
        self._loop.lock.release()
        try:
            then = self._answer(work, thread) if isinstance(work, Connection) else self._finish(work)
            # Before the loop knows: a stop would name it as cut off.
            self._in_flight.end(thread.number)
            self._report.request_finished(thread.number)
        finally:
            self._loop.lock.acquire()
        if self.poller is thread:
            self._held.forbid()
        if self.poller is thread and self.away_since:
            now = time.monotonic()
            self.spent += now - self.away_since
            if now - self.away_since > BLOCKED_SECONDS:
                self._held.pause(now)
            self.away_since = 0.0
        if thread.streams:
            thread.streams = False
            self._streams -= 1
            # It may have been marked just after the request had ended.
            self._report.request_finished(thread.number)
        then()

    def _finish(self, finish: Callable[[], None]) -> Callable[[], None]:
        try:
            finish()
        except BaseException:
            self._log.exception("Error after the answer to a request")
        return self._finished

    def _finished(self) -> None:
        self.finishing -= 1

    def _answer(self, connection: Connection, thread: RequestThread) -> Callable[[], None]:
        """Run the application; the result is to be called with the lock."""
        connection.thread = thread.number
        thread.connection = connection
        keep, finish = False, None
        try:
            keep, finish = self._answering.answer(connection)
        except Refusal as refusal:
            return partial(self._loop.run, connection, self._lifecycle.refuse, refusal)
        except ClientGone as gone:
            self._log.debug("Connection closed: %s", gone)
            connection.abort()
        except BaseException as error:
            if children.is_child:
                children.leave("a request", error)
            self._log.exception("Error handling request")
            connection.abort()
        finally:
            thread.connection = None
        return partial(self._loop.run, connection, self._lifecycle.finished, keep, finish)


def _is_stream(thread: RequestThread, now: float) -> bool:
    """Whether its answer has been going on for longer than a moment."""
    connection = thread.connection
    if connection is None:
        return False
    outgoing = connection.outgoing
    goes_on = outgoing.is_event_stream or now - outgoing.began > STREAM_SECONDS
    # What began before that is the answer to the request before.
    return connection.taken_over or (outgoing.began >= connection.handed_over and goes_on)
