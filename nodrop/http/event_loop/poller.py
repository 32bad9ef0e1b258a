"""The system's interface for waiting on many file descriptors: epoll itself, or what Python offers in its place."""

from __future__ import annotations

import contextlib
import math
import select
import selectors
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, Protocol

Event = tuple[Any, int]
"""What was registered with the descriptor, and the events, EVENT_READ and EVENT_WRITE."""


class Poller(Protocol):
    """Waits for what is registered. All but `wait` is for whoever holds the loop's lock."""

    descriptor: int | None
    """By which the system is asked for events, itself one that can be waited for; None where there is none. Where there
    is one, a wait sees what is registered meanwhile."""

    def register(self, descriptor: int, events: int, data: Any) -> None:
        """Wait for these events from now on."""

    def modify(self, descriptor: int, events: int, data: Any) -> None:
        """Wait for others."""

    def unregister(self, descriptor: int) -> None:
        """Wait for none any more."""

    def wait(self, seconds: float) -> list[Event]:
        """What has happened, for `seconds` at most."""


def make_poller() -> Poller:
    """The best there is. What an application has put in its place, where threads are greenlets, has no epoll."""
    return _Epoll() if hasattr(select, "epoll") else _Selector()


class _Epoll:
    """epoll. Python's selector for it makes an object for each event, which costs as much as the system call."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._data: dict[int, Any] = {}
        self.descriptor: int | None = self._epoll.fileno()

    def register(self, descriptor: int, events: int, data: Any) -> None:
        self._epoll.register(descriptor, _as_epoll(events))
        self._data[descriptor] = data

    def modify(self, descriptor: int, events: int, data: Any) -> None:
        self._epoll.modify(descriptor, _as_epoll(events))
        self._data[descriptor] = data

    def unregister(self, descriptor: int) -> None:
        self._data.pop(descriptor, None)
        # An application that has taken the socket over may have closed it.
        with contextlib.suppress(OSError):
            self._epoll.unregister(descriptor)

    def wait(self, seconds: float) -> list[Event]:
        # A millisecond too early would be a turn for nothing.
        timeout = math.ceil(seconds * 1000) / 1000 if seconds > 0 else 0
        registered = self._data
        # An error or the end of a connection is found out by reading or writing. Others may change what is registered
        # at any moment here, so each is looked up once.
        return [
            (data, (events & ~select.EPOLLIN and EVENT_WRITE) | (events & ~select.EPOLLOUT and EVENT_READ))
            for descriptor, events in self._epoll.poll(timeout, max(1, len(registered)))
            if (data := registered.get(descriptor)) is not None
        ]


def _as_epoll(events: int) -> int:
    return (select.EPOLLIN if events & EVENT_READ else 0) | (select.EPOLLOUT if events & EVENT_WRITE else 0)


class _Selector:
    """Python's own choice."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        fileno = getattr(self._selector, "fileno", None)
        self.descriptor: int | None = fileno() if fileno else None

    def register(self, descriptor: int, events: int, data: Any) -> None:
        self._selector.register(descriptor, events, data)

    def modify(self, descriptor: int, events: int, data: Any) -> None:
        self._selector.modify(descriptor, events, data)

    def unregister(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def wait(self, seconds: float) -> list[Event]:
        return [(key.data, events) for key, events in self._selector.select(seconds)]
