"""The loop that does all the waiting: for sockets, for what is due by time, and for what threads want done.

One thread at a time runs it (threads/pool.py says which). What it keeps may be touched by any thread that holds `lock`:
the one that runs the loop holds it except while it waits, so that a thread which has finished a request sees to its
connection by itself, without telling anybody.
"""

from __future__ import annotations

import collections
import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write
from selectors import EVENT_READ
from typing import Any

from nodrop.http.connection.connection import Connection
from nodrop.http.event_loop.poller import Event, make_poller
from nodrop.system import children

SIGNAL_SECONDS = 0.05
"""How long the loop waits for the main thread to handle a signal."""


def _signal(events: int) -> None:
    """Stands for the signals' pipe, which is not the loop's to read."""


def _has_signal(ready: list[Event]) -> bool:
    return any(what is _signal for what, _ in ready)


class Loop:
    """One turn after the other. Everything but `wait`, `call` and what asks needs `lock`."""

    def __init__(self, log: Any) -> None:
        """log: gunicorn's."""
        self.lock = threading.Lock()
        """Held by whoever touches a connection that no thread runs the application for, or anything else in here."""
        self.connections: set[Connection] = set()
        """All that are open."""
        self.on_event: Callable[[Connection, int], None] = lambda *_: None
        """Called for each connection that an awaited event has come to."""
        self.on_error: Callable[[Connection], None] = lambda _: None
        """Called for a connection on which something went wrong, after it was logged."""
        self.ticks: list[Callable[[float], None]] = []
        """Called at each tick, with the time."""
        self.tick_seconds = 1.0
        """How often deadlines are looked at."""
        self.after_turn: Callable[[float], None] = lambda _: None
        """Called at the end of each turn, with the time."""
        self._log = log
        self._poller = make_poller()
        self._next_tick = 0.0
        self._calls: collections.deque[Callable[[], None]] = collections.deque()
        # To wake whoever waits in the poller.
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._poller.register(self._pipe[0], EVENT_READ, self._on_interrupt)
        # epoll and kqueue see what is registered while they are waited in; what stands in for them where threads are
        # greenlets does not.
        self._sees_changes = self.descriptor is not None

    @property
    def descriptors(self) -> set[int]:
        """Of its own, but for sockets."""
        return {*self._pipe, *([self.descriptor] if self.descriptor is not None else [])}

    @property
    def descriptor(self) -> int | None:
        """The file descriptor by which the system is asked for events, itself one that can be waited for; None where
        there is none."""
        return self._poller.descriptor

    def await_signals(self, pipe: int) -> None:
        """Have `wait` return when a signal has come. pipe: what signals write to, which the main thread reads.

        Not where threads are greenlets: the main one runs as soon as another waits.
        """
        if self.descriptor is not None:
            self._poller.register(pipe, EVENT_READ, _signal)

    def until_tick(self) -> float:
        """Seconds until the next tick."""
        return max(0.0, self._next_tick - time.monotonic())

    def wait(self, seconds: float) -> list[Event]:
        """Wait for something to happen or to be due, for `seconds` at most. The result is for `handle`."""
        try:
            ready = self._poller.wait(min(seconds, self.until_tick()))
            return self._handled() if _has_signal(ready) else ready
        finally:
            # Possible only where threads are greenlets, of which a fork copies all: this is not the worker's loop.
            if children.is_child:
                children.stand_still()

    def _handled(self) -> list[Event]:
        """What has happened, when the main thread has handled a signal: who is answered next is to know of a stop."""
        deadline = time.monotonic() + SIGNAL_SECONDS
        while True:
            ready = self._poller.wait(0)
            if not _has_signal(ready) or time.monotonic() > deadline:
                return ready
            if threading.current_thread() is threading.main_thread():
                # It has done so, and comes to read it.
                return ready
            time.sleep(SIGNAL_SECONDS / 100)

    def handle(self, ready: list[Event]) -> None:
        """Do what it takes. What was found ready may have changed since: then nothing comes of it."""
        for what, events in ready:
            if type(what) is Connection:
                self.run(what, self.on_event, events)
            else:
                what(events)
        while self._calls:
            self._calls.popleft()()
        now = time.monotonic()
        if now >= self._next_tick:
            # Not so long from each turn on, or a busy loop would be late with what is due by time.
            self._next_tick = now + self.tick_seconds
            for tick in self.ticks:
                tick(now)
        self.after_turn(now)

    def call(self, function: Callable[[], None]) -> None:
        """Have whoever runs the loop call it, soon. Needs no lock."""
        self._calls.append(function)
        self._interrupt()

    def run(self, connection: Connection, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` for the connection. An error there must not end the worker for everyone."""
        if connection not in self.connections:
            return  # closed meanwhile
        try:
            function(connection, *arguments)
        except Exception:
            self._log.exception("Error on a connection")
            self.on_error(connection)

    def watch(self, connection: Connection) -> None:
        """Wait for the events that the connection's stage asks for."""
        events = connection.events
        if events == connection.watched:
            return
        if not events:
            self._poller.unregister(connection.descriptor)
        else:
            watch = self._poller.modify if connection.watched else self._poller.register
            watch(connection.descriptor, events, connection)
        connection.watched = events
        self._changed()

    def unwatch(self, connection: Connection) -> None:
        """Wait for nothing on the connection any more."""
        if connection.watched:
            self._poller.unregister(connection.descriptor)
            connection.watched = 0

    def listen(self, listener: Any, on_connect: Callable[[Any, int], None]) -> None:
        """Call `on_connect` with the listener when there are connections to accept."""
        self._poller.register(listener.fileno(), EVENT_READ, partial(on_connect, listener))
        self._changed()

    def stop_listening(self, listener: Any) -> None:
        """The opposite of `listen`."""
        self._poller.unregister(listener.fileno())

    def _changed(self) -> None:
        if not self._sees_changes:
            self._interrupt()

    def _interrupt(self) -> None:
        # A full pipe wakes it as well.
        with contextlib.suppress(BlockingIOError):
            write(self._pipe[1], b"\0")

    def _on_interrupt(self, events: int) -> None:  # noqa: ARG002 - as callers of `listen` are called
        with contextlib.suppress(BlockingIOError):
            read(self._pipe[0], 4096)
