"""The other pods, as the name of a headless Service tells them: the addresses of those that are ready.

A pod that wants to leave may do so if its address is the lowest of all, others are there, and at least half of those
stay that were there when it began to want it. So there is always one that may not leave, the highest, even if all see
late who has left: pods can't leave all at once.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 2.0
"""How often the name is looked up at most, and only while the pod wants to leave or is away."""
FRESH_SECONDS = 15.0
"""For how long an answer counts. Without one the pod stays, or comes back."""
LONGEST_PERIOD_SECONDS = 60.0
"""Where the readiness probe comes less often than that, up to this, an answer counts until the next but one."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Peers:
    """What is known of them. One thread asks; the names are looked up in another, which may take its time."""

    def __init__(
        self,
        service: str,
        *,
        look_up: Callable[[str], list[Address]] | None = None,
        is_own: Callable[[Address], bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """service: the name. look_up: all its addresses; raises OSError. is_own: whether an address is this pod's."""
        self._service = service
        self._look_up = look_up or addresses
        self._is_own = is_own or is_own_address
        self._now = now
        self._looking: threading.Thread | None = None
        self._looked = -math.inf
        self._asked = math.inf
        """When this pod last wanted to leave; never, if it has had no reason since."""
        self._seen: tuple[float, list[Address]] = (-math.inf, [])
        self._most = 0
        """Pods that were ready when this one began to want to leave, or since."""
        self._away = False

    def may_leave(self) -> bool:
        """Whether this pod may leave now, or stay away if it has left."""
        self._look()
        now = self._now()
        period, self._asked = now - self._asked, now
        fresh = max(FRESH_SECONDS, min(period, LONGEST_PERIOD_SECONDS) + LOOK_SECONDS)
        seen, listed = self._seen
        others = [each for each in listed if not self._is_own(each)]
        if now - seen > fresh or not others:
            self._away = False
        elif not self._away:
            self._most = max(self._most, len(listed))
            self._away = self._is_own(listed[0]) and 2 * len(others) >= self._most
        return self._away

    def forget(self) -> None:
        """This pod has no reason to leave."""
        self._away = False
        self._most = 0
        self._asked = math.inf

    def _look(self) -> None:
        if self._now() - self._looked >= LOOK_SECONDS and not (self._looking and self._looking.is_alive()):
            self._looked = self._now()
            self._looking = threading.Thread(target=self._see, name="peers", daemon=True)
            self._looking.start()

    def _see(self) -> None:
        try:
            listed = sorted(self._look_up(self._service), key=int)
        except (OSError, UnicodeError):
            # Nobody is ready, or the name can't be looked up, or can't be one: what was seen before gets old.
            return
        self._seen = self._now(), listed


def addresses(name: str) -> list[Address]:
    """All addresses of the name, of one family, so that each pod has one. Raises OSError."""
    found = {ipaddress.ip_address(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    return [each for each in found if each.version == min(other.version for other in found)]


def is_own_address(address: Address) -> bool:
    """Whether this host has the address: a socket can be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
