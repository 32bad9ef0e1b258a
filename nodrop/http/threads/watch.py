"""What the main thread does: it handles signals, and sees that somebody runs the loop, by itself if need be."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write

from nodrop.http.event_loop.loop import Loop
from nodrop.http.threads.occupied import ENOUGH_SECONDS, ManyWaits, Occupied
from nodrop.http.threads.pool import BLOCKED_SECONDS, Threads
from nodrop.http.threads.request_queue import RequestQueue
from nodrop.system import children

CALM_LOOKS = 3
"""Looks in a row at which nothing has begun, after which the main thread sleeps until it is woken."""
GREENLET_SECONDS = 0.05
"""How long the main greenlet waits for clients before it looks at the signals: it can't wait for both."""


class Watch:
    """The main thread's."""

    def __init__(self, signals: int, on_signals: Callable[[bytes], None]) -> None:
        """signals: the end for reading of a pipe that does not block, which signals write to.

        on_signals: called with what was read from it, the numbers of the signals that have come.
        """
        self._signals = signals
        self._on_signals = on_signals
        # To wake the main thread.
        self._pipe = os.pipe()
        self._selector = selectors.DefaultSelector()
        for end in self._pipe:
            os.set_blocking(end, False)
        for end in (signals, self._pipe[0]):
            self._selector.register(end, selectors.EVENT_READ)
        self._polling = False
        self._begun = 0
        self._calm = 0
        self._suspects = False
        """A request may block the poller."""
        self._occupied = Occupied()
        self._many_waits = ManyWaits()

    def over(self, loop: Loop, threads: Threads, queue: RequestQueue) -> None:
        """What to watch over."""
        self._loop, self._threads, self._queue = loop, threads, queue
        loop.await_signals(self._signals)

    @property
    def descriptors(self) -> set[int]:
        """Of its own."""
        fileno = getattr(self._selector, "fileno", None)
        return {*self._pipe, *([fileno()] if fileno else [])}

    def wake(self) -> None:
        """Have the main thread look now. For any thread."""
        # A full pipe wakes it as well.
        with contextlib.suppress(BlockingIOError):
            write(self._pipe[1], b"\0")

    def look(self, longest: float) -> None:
        """Look once, when there is a reason to, or after so many seconds. Raises what has ended a thread."""
        with self._loop.lock:
            seconds = self._until_next(longest)
        self._wait(seconds)
        if children.is_child:
            children.stand_still()
        with self._loop.lock:
            if self._threads.failure:
                raise self._threads.failure
            self._see_to_the_loop()

    def _until_next(self, longest: float) -> float:
        threads = self._threads
        if threads.main_polls:
            # A stream that goes on for longer than a moment has to be seen, when a request waits for its thread.
            return BLOCKED_SECONDS if self._queue else min(longest, self._loop.until_tick())
        if self._suspects:
            return ENOUGH_SECONDS
        if threads.away_since or self._calm < CALM_LOOKS:
            return BLOCKED_SECONDS
        threads.watched = False
        return longest

    def _wait(self, seconds: float) -> None:
        polls, descriptor = self._threads.main_polls, self._loop.descriptor
        if descriptor is None:
            if polls:
                self._loop.wait(min(seconds, GREENLET_SECONDS))
                seconds = 0.0
        elif polls is not self._polling:
            self._polling = polls
            if polls:
                self._selector.register(descriptor, selectors.EVENT_READ)
            else:
                self._selector.unregister(descriptor)
        for key, _ in self._selector.select(seconds):
            with contextlib.suppress(BlockingIOError):
                if key.fileobj == self._pipe[0]:
                    read(self._pipe[0], 4096)
                elif key.fileobj == self._signals:
                    self._on_signals(read(self._signals, 4096))

    def _see_to_the_loop(self) -> None:
        threads, now = self._threads, time.monotonic()
        threads.watched = True
        away = now - threads.away_since if threads.away_since else 0.0
        self._suspects = away >= ENOUGH_SECONDS
        if threads.main_polls:
            self._loop.handle(self._loop.wait(0))
            threads.appoint()
        elif threads.poller and self._many_waits.seen(threads.poller.thread, threads.spent + away):
            # One after the other they would delay each other, though each is over before the poller can be relieved.
            threads.spread(now)
        elif self._suspects and threads.poller:
            waits = self._occupied.waits(threads.begun, threads.poller.thread)
            if waits is not None and away >= BLOCKED_SECONDS:
                self._suspects = False
                threads.relieve(waits)
        self._calm = self._calm + 1 if threads.begun == self._begun else 0
        self._begun = threads.begun
