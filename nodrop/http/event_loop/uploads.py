"""The room that arriving bodies share. No client gets all of it, and when it is full the slowest upload gives way.

Speed is compared across all clients. If the client with the most bytes came first, many that send a part of a body
each, and then trickle, could fill the room and have every larger upload refused. Size counts only against a client that
has several uploads: see HANDICAP.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from nodrop.config.settings import ServingSettings
from nodrop.http.connection.chunked import MAX_OVERHEAD
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.spool import Budget, BudgetExceeded
from nodrop.http.connection.stages import Stage
from nodrop.wsgi.edge.client_address import parse_address

PEER_SHARE = 0.75
"""The part of the room that one client may take. Behind a proxy all clients are one, unless it is trusted to say who
they are (TRUSTED_PROXIES); a smaller part would leave most of the room unused then."""
HANDICAP = 10
"""An upload counts as this many times slower if its client takes up more than the largest body, and more than its fair
part of the room. So a client with many quick uploads does not push out one that is on a slow line; nor does one that
trickles push out several quick uploads of a single client."""
IPV6_CLIENT_BITS = 64
"""Of an IPv6 address, that tell clients apart: a client has the whole network, and can take any address in it."""


class Uploads:
    """The bodies of a worker. The loop calls it."""

    def __init__(self, settings: ServingSettings, address_of: Callable[[Connection, Any], str]) -> None:
        """address_of: the address of the client whose request it is, as the application is told it."""
        # A body in chunks comes with its framing, which must not keep the largest one out.
        self.room = Budget(settings.body_buffer_bytes + MAX_OVERHEAD)
        self._largest = settings.max_body_bytes + MAX_OVERHEAD
        self._share = max(self._largest, int(PEER_SHARE * settings.body_buffer_bytes))
        self._trusts = bool(settings.trusted_proxies)
        self._address_of = address_of
        # Of the clients that have a body now.
        self._rooms: weakref.WeakValueDictionary[str, Budget] = weakref.WeakValueDictionary()

    def room_of(self, connection: Connection, request: Any) -> Budget:
        """The share of the client whose request it is."""
        client = client_of(self._address_of(connection, request) if self._trusts else connection.client[0])
        room = self._rooms.get(client)
        if room is None:
            room = self._rooms[client] = Budget(self._share, self.room)
        return room

    def to_give_way(
        self, connections: Iterable[Connection], newest: Connection, exceeded: BudgetExceeded
    ) -> tuple[Connection, str]:
        """The upload that has to give way so that `newest` finds room, which may be itself; and which one it is, for
        the log.

        It is the slowest, of late: of one client's if that has used up its share, else of all. One that has only just
        begun is passed over, because its speed is not known yet, unless its client takes up more than its fair part.
        exceeded: what `newest` was told.
        """
        now = time.monotonic()
        arriving = [each for each in connections if each.stage is Stage.BODY and each.incoming.kept]
        candidates = {*arriving, newest}
        known = {each for each in candidates if each.incoming.speed.is_known(now)}
        room = exceeded.budget
        if room is not self.room:
            own = {each for each in candidates if each.incoming.room is room}
            slowest = min(own & known or own, key=lambda each: each.incoming.speed.at(now))
            return slowest, "the slowest of those of its client"
        fair = max(self._largest, room.limit // len({id(each.incoming.room) for each in candidates}))
        greedy = {each for each in candidates if each.incoming.room.used > fair}

        def counted_speed(each: Connection) -> float:
            speed = each.incoming.speed.at(now)
            return speed / HANDICAP if each in greedy else speed

        chosen = min(greedy | known or candidates, key=counted_speed)
        if chosen in greedy:
            return chosen, "the slowest of a client that takes up more than its fair part"
        return chosen, "the slowest"


def client_of(address: str) -> str:
    """The client that has this address: for IPv6 the network that it is in."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_CLIENT_BITS), strict=False))
    return str(parsed or address)
