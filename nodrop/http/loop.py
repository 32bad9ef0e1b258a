"""The loop that does all the waiting: for sockets, for what threads ask of it, and for what is due by time."""

from __future__ import annotations

import collections
import contextlib
import selectors
import time
from collections.abc import Callable, Sequence

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write
from typing import Any

from nodrop.http.connection.connection import Connection
from nodrop.system import children


class Loop:
    """One turn after the other; everything but `call` happens in the loop's own thread."""

    def __init__(self, pipe: Sequence[int], log: Any) -> None:
        """pipe: both ends of one that does not block. Signals may write to it, threads do; log: gunicorn's."""
        self.connections: set[Connection] = set()
        """All that are open."""
        self.on_event: Callable[[Connection, int], None] = lambda *_: None
        """Called for each connection that an awaited event has come to."""
        self.on_error: Callable[[Connection], None] = lambda _: None
        """Called for a connection on which something went wrong, after it was logged."""
        self.ticks: list[Callable[[float], None]] = []
        """Called at each tick, with the time."""
        self.on_wake: Callable[[bytes], None] = lambda _: None
        """Called with what was read from the pipe: the numbers of signals that have come, among other bytes."""
        self.after_turn: Callable[[], None] = lambda: None
        """Called at the end of each turn."""
        self._log = log
        self._pipe = pipe
        self._poller = selectors.DefaultSelector()
        # What threads ask of the loop. A byte in the pipe wakes it, and one is enough for any number of calls.
        self._calls: collections.deque[tuple[Any, ...]] = collections.deque()
        self._woken = False
        self._next_tick = 0.0
        self._poller.register(pipe[0], selectors.EVENT_READ, self._on_wake)

    @property
    def descriptor(self) -> int | None:
        """The file descriptor by which the system is asked for events; None where there is none."""
        fileno = getattr(self._poller, "fileno", None)
        return fileno() if fileno else None

    def turn(self, seconds: float) -> None:
        """Wait for something to happen, for `seconds` at most, and do what it takes. A tick lasts as long."""
        # Not `seconds` from each event on, or a busy loop would be late with what is due by time.
        try:
            ready = self._poller.select(max(0.0, min(seconds, self._next_tick - time.monotonic())))
        finally:
            # Possible only where threads are greenlets, of which a fork copies all: this is not the worker's loop.
            if children.is_child:
                children.stand_still()
        for key, events in ready:
            key.data(key.fileobj, events)
        # Not those that come meanwhile: whoever waits in the poller has a turn first.
        for _ in range(len(self._calls)):
            self.run(*self._calls.popleft())
        if self._calls:
            self._wake()
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + seconds
            for tick in self.ticks:
                tick(now)
        self.after_turn()

    def run(self, connection: Connection, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` for the connection. An error there must not end the worker for everyone."""
        if connection not in self.connections:
            return  # closed meanwhile
        try:
            function(connection, *arguments)
        except Exception:
            self._log.exception("Error on a connection")
            self.on_error(connection)

    def call(self, connection: Connection, function: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call `function` for the connection. For threads."""
        self._calls.append((connection, function, *arguments))
        self._wake()

    def watch(self, connection: Connection) -> None:
        """Wait for the events that the connection's stage asks for."""
        events = connection.events
        if events == connection.watched:
            return
        if not events:
            self._poller.unregister(connection.sock)
        else:
            watch = self._poller.modify if connection.watched else self._poller.register
            watch(connection.sock, events, lambda _, ready: self.run(connection, self.on_event, ready))
        connection.watched = events

    def unwatch(self, connection: Connection) -> None:
        """Wait for nothing on the connection any more."""
        if connection.watched:
            self._poller.unregister(connection.sock)
            connection.watched = 0

    def listen(self, listener: Any, on_connect: Callable[[Any, int], None]) -> None:
        """Call `on_connect` with the listener when there are connections to accept."""
        self._poller.register(listener, selectors.EVENT_READ, on_connect)

    def stop_listening(self, listener: Any) -> None:
        """The opposite of `listen`."""
        self._poller.unregister(listener)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            # A full pipe wakes the loop as well.
            with contextlib.suppress(BlockingIOError):
                write(self._pipe[1], b"x")

    def _on_wake(self, pipe: int, events: int) -> None:  # noqa: ARG002
        with contextlib.suppress(BlockingIOError):
            self.on_wake(read(pipe, 4096))
        # Before the calls are made: a thread that comes from now on wakes the loop again.
        self._woken = False
