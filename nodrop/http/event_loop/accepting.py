"""Accepts connections, as many as there is room for."""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Callable, Sequence
from typing import Any

from nodrop.http.connection.connection import Connection
from nodrop.http.connection.stages import TABLE
from nodrop.http.event_loop.loop import Loop
from nodrop.system.addresses import as_ipv4

ACCEPT_BATCH = 64
_MAKES_ROOM = {stage: rule.makes_room for stage, rule in TABLE.items() if rule.makes_room is not None}


class Acceptor:
    """The listening sockets of a worker."""

    def __init__(
        self,
        listeners: Sequence[Any],
        loop: Loop,
        log: Any,
        *,
        batch: int,
        max_connections: int,
        open_connection: Callable[[socket.socket, Any, Any], None],
        close_to_make_room: Callable[[Connection], None],
    ) -> None:
        """batch: how many to accept at a time. open_connection: called with each socket and both its addresses."""
        self._listeners = listeners
        self._loop = loop
        self._log = log
        self._batch = batch
        self._max_connections = max_connections
        self._open = open_connection
        self._close_to_make_room = close_to_make_room
        self._accepting = False
        self._stopped = False
        for listener in listeners:
            listener.setblocking(False)

    def resume(self) -> None:
        """Accept connections if there is room; called whenever there may be some again."""
        if not self._accepting and not self._stopped:
            self._accept(self._has_room())

    def tick(self, now: float) -> None:  # noqa: ARG002 - as ticks are
        """Try again what has failed for lack of file descriptors."""
        if not self._stopped:
            self._accept(self._has_room())

    def stop(self) -> None:
        """Accept those that are connected already, then nobody any more."""
        self._stopped = True
        for listener in self._listeners:
            while self._accept_one(listener):
                pass
        self._accept(False)
        for listener in self._listeners:
            listener.close()

    def _accept(self, more: bool) -> None:
        if more is self._accepting:
            return
        self._accepting = more
        for listener in self._listeners:
            if more:
                self._loop.listen(listener, self._on_connect)
            else:
                self._loop.stop_listening(listener)

    def _on_connect(self, listener: Any, events: int) -> None:  # noqa: ARG002
        for _ in range(self._batch):
            if not self._accept_one(listener):
                return
            if not self._has_room():
                self._accept(False)
                return

    def _accept_one(self, listener: Any) -> bool:
        """Accept a connection; whether there was one."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                # Tried again at the next tick; the connections wait in the kernel meanwhile.
                self._log.warning("can't accept a connection: %s", error)
                self._accept(False)
            # Else: nobody is there any more, or the client has given up before it was accepted.
            return error.errno == errno.ECONNABORTED
        # Before the new one is among them, or it might be the one that is closed.
        if len(self._loop.connections) >= self._max_connections:
            self._make_room()
        self._open(sock, *as_ipv4(address, listener.getsockname()))
        return True

    def _has_room(self) -> bool:
        """Whether another connection can be accepted, if need be in place of one that waits for its client."""
        connections = self._loop.connections
        return len(connections) < self._max_connections or any(each.rule.makes_room is not None for each in connections)

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client, of those whose stage makes room first."""
        first = (math.inf, math.inf)
        chosen = None
        # A plain loop: at MAX_CONNECTIONS it looks at all of them whenever another comes.
        for each in self._loop.connections:
            order = _MAKES_ROOM.get(each.stage)
            if order is not None and (order, each.since) < first:
                first, chosen = (order, each.since), each
        if chosen:
            self._close_to_make_room(chosen)
