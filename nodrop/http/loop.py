"""The loop that does all the waiting: for sockets, for what is due by time, and for what threads want done.

One thread at a time goes round it (threads.py says which). What it keeps may be touched by any thread that holds
`lock`: the one that goes round holds it but for the wait itself, so that a thread which has finished a request takes
its connection on by itself, without telling anybody.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import threading
import time
from collections.abc import Callable

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write
from typing import Any

from nodrop.http.connection.connection import Connection
from nodrop.system import children


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
        self.after_turn: Callable[[], None] = lambda: None
        """Called at the end of each turn."""
        self._log = log
        self._poller = selectors.DefaultSelector()
        self._next_tick = 0.0
        self._calls: collections.deque[Callable[[], None]] = collections.deque()
        # To wake whoever waits in the poller.
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._poller.register(self._pipe[0], selectors.EVENT_READ, self._on_interrupt)
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
        fileno = getattr(self._poller, "fileno", None)
        return fileno() if fileno else None

    def until_tick(self) -> float:
        """Seconds until the next tick."""
        return max(0.0, self._next_tick - time.monotonic())

    def wait(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for something to happen or to be due, for `seconds` at most. The result is for `handle`."""
        try:
            return self._poller.select(min(seconds, self.until_tick()))
        finally:
            # Possible only where threads are greenlets, of which a fork copies all: this is not the worker's loop.
            if children.is_child:
                children.stand_still()

    def handle(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Do what it takes. What was found ready may have changed since: then nothing comes of it."""
        for key, events in ready:
            if type(key.data) is Connection:
                self.run(key.data, self.on_event, events)
            else:
                key.data(key.fileobj, events)
        while self._calls:
            self._calls.popleft()()
        now = time.monotonic()
        if now >= self._next_tick:
            # Not so long from each turn on, or a busy loop would be late with what is due by time.
            self._next_tick = now + self.tick_seconds
            for tick in self.ticks:
                tick(now)
        self.after_turn()

    def call(self, function: Callable[[], None]) -> None:
        """Have whoever goes round the loop call it, soon. Needs no lock."""
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
            self._poller.unregister(connection.sock)
        else:
            watch = self._poller.modify if connection.watched else self._poller.register
            watch(connection.sock, events, connection)
        connection.watched = events
        self._changed()

    def unwatch(self, connection: Connection) -> None:
        """Wait for nothing on the connection any more."""
        if connection.watched:
            self._poller.unregister(connection.sock)
            connection.watched = 0

    def listen(self, listener: Any, on_connect: Callable[[Any, int], None]) -> None:
        """Call `on_connect` with the listener when there are connections to accept."""
        self._poller.register(listener, selectors.EVENT_READ, on_connect)
        self._changed()

    def stop_listening(self, listener: Any) -> None:
        """The opposite of `listen`."""
        self._poller.unregister(listener)

    def _changed(self) -> None:
        if not self._sees_changes:
            self._interrupt()

    def _interrupt(self) -> None:
        # A full pipe wakes it as well.
        with contextlib.suppress(BlockingIOError):
            write(self._pipe[1], b"\0")

    def _on_interrupt(self, pipe: int, events: int) -> None:  # noqa: ARG002
        with contextlib.suppress(BlockingIOError):
            read(pipe, 4096)
