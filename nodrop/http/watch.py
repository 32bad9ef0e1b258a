"""What the main thread does: it heeds signals, and sees that somebody goes round the loop, by itself if need be."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Callable, Sequence

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write

from nodrop.http.loop import Loop
from nodrop.http.occupied import ENOUGH_SECONDS, Occupied
from nodrop.http.request_queue import RequestQueue
from nodrop.http.threads import HELD_UP_SECONDS, Threads
from nodrop.system import children

CALM_LOOKS = 3
"""Looks in a row at which nothing has begun, after which the main thread sleeps until it is woken."""
GREENLET_SECONDS = 0.05
"""How long the main greenlet waits for clients before it looks at the signals: it can't wait for both."""


class Watch:
    """The main thread's."""

    def __init__(self, pipe: Sequence[int], on_wake: Callable[[bytes], None]) -> None:
        """pipe: both ends of one that does not block, which signals write to.

        on_wake: called with what was read from it: the numbers of signals that have come, among other bytes.
        """
        self._pipe = pipe
        self._on_wake = on_wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe[0], selectors.EVENT_READ)
        self._polling = False
        self._begun = 0
        self._calm = 0
        self._occupied = Occupied()

    def over(self, loop: Loop, threads: Threads, queue: RequestQueue) -> None:
        """What to watch over."""
        self._loop, self._threads, self._queue = loop, threads, queue

    @property
    def descriptors(self) -> set[int]:
        """Of its own."""
        fileno = getattr(self._selector, "fileno", None)
        return {fileno()} if fileno else set()

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
            return HELD_UP_SECONDS if self._queue else min(longest, self._loop.until_tick())
        if threads.away_since:
            return max(ENOUGH_SECONDS, threads.away_since + HELD_UP_SECONDS - time.monotonic())
        if self._calm < CALM_LOOKS:
            return HELD_UP_SECONDS
        threads.watched = False
        return longest

    def _wait(self, seconds: float) -> None:
        polls, descriptor = self._threads.main_polls, self._loop.descriptor
        if descriptor is None:
            if polls:
                self._ready = self._loop.wait(min(seconds, GREENLET_SECONDS))
                seconds = 0.0
        elif polls is not self._polling:
            self._polling = polls
            if polls:
                self._selector.register(descriptor, selectors.EVENT_READ)
            else:
                self._selector.unregister(descriptor)
        for key, _ in self._selector.select(seconds):
            if key.fileobj == self._pipe[0]:
                with contextlib.suppress(BlockingIOError):
                    self._on_wake(read(self._pipe[0], 4096))

    def _see_to_the_loop(self) -> None:
        threads = self._threads
        threads.watched = True
        if threads.main_polls:
            self._loop.handle(self._loop.wait(0))
            threads.appoint()
        elif threads.away_since and threads.poller:
            waits = self._occupied.waits(threads.begun, threads.poller.thread)
            if waits is not None and time.monotonic() - threads.away_since >= HELD_UP_SECONDS:
                threads.relieve(waits)
        self._calm = self._calm + 1 if threads.begun == self._begun else 0
        self._begun = threads.begun
