"""The room that arriving bodies share. No client gets all of it, and when it is full the slowest upload gives way."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.http.connection.chunked import MAX_OVERHEAD
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.spool import Budget, BudgetExceeded
from nodrop.http.connection.stages import Stage

PEER_SHARE = 0.75
"""The part of the room that one client may take. Behind a proxy all clients are one, unless it is trusted to say who
they are (TRUSTED_PROXIES); a smaller part would leave most of the room unused then."""


class Uploads:
    """The bodies of a worker. The loop calls it."""

    def __init__(self, settings: ServingSettings, address_of: Callable[[Connection, Any], str]) -> None:
        """address_of: the address of the client whose request it is, as the application is told it."""
        # A body in chunks comes with its framing, which must not keep the largest one out.
        self.room = Budget(settings.body_buffer_bytes + MAX_OVERHEAD)
        largest = settings.max_body_bytes + MAX_OVERHEAD
        self._share = max(largest, int(PEER_SHARE * settings.body_buffer_bytes))
        self._trusts = bool(settings.trusted_proxies)
        self._address_of = address_of
        # Of the clients that have a body now.
        self._rooms: weakref.WeakValueDictionary[str, Budget] = weakref.WeakValueDictionary()

    def room_of(self, connection: Connection, request: Any) -> Budget:
        """The share of the client whose request it is."""
        address = self._address_of(connection, request) if self._trusts else connection.client[0]
        room = self._rooms.get(address)
        if room is None:
            room = self._rooms[address] = Budget(self._share, self.room)
        return room

    def slowest(self, connections: Iterable[Connection], newest: Connection, exceeded: BudgetExceeded) -> Connection:
        """The upload that has to give way so that `newest` finds room, which may be itself.

        It is the slowest of one client: of one that has used up its share, else of the one that takes up most.
        exceeded: what `newest` was told.
        """
        now = time.monotonic()
        arriving = [each for each in connections if each.stage is Stage.BODY and each.incoming.kept]
        candidates = {*arriving, newest}
        room = exceeded.budget
        if room is self.room:
            room = max((each.incoming.room for each in candidates), key=lambda each: each.used)
        return min(
            (each for each in candidates if each.incoming.room is room), key=lambda each: each.incoming.speed.at(now)
        )
