"""Whether a server whose queue is stuck leaves the Service, and when.

One pod that can't serve should leave, so that others get its requests. If none can, as when the database hangs, leaving
helps nobody: whoever stays gets the requests of those who leave, and once all have left, clients are refused and the
Deployment is away for longer than its trouble lasted. One pod can't tell the two cases apart by itself, so there are
two ways, both without anything that has to be kept when the management process is replaced:

- told the name of a headless Service (PEER_SERVICE), a pod sees who is ready, and leaves only as far as others stay;
- else it leaves for AWAY_SECONDS in one of SLOTS slots of a time that all pods share, chosen at random in each round.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Sequence

from nodrop.health.peers import Peers
from nodrop.health.worker_state import WorkerStatus

SLOT_SECONDS = 25
AWAY_SECONDS = 20
"""The kubelet asks every few seconds, and wants to hear it twice before it believes it. The rest of a slot is for its
delay at the end, so that those of one slot are back before those of the next leave."""
SLOTS = 6
"""In one round. Nobody is away in the last, so that everybody stays for 30 seconds at least before it leaves again."""


def has_turn(pod: str, now: float) -> bool:
    """Whether the pod of this name may be away, at this time.time()."""
    number, second = divmod(now, SLOT_SECONDS)
    round_, slot = divmod(int(number), SLOTS)
    return second < AWAY_SECONDS and slot == random.Random(f"{pod} {round_}").randrange(SLOTS - 1)


class Leaving:
    """Decides it for one server."""

    def __init__(
        self, queue_timeout: float, peers: Peers | None, *, pod: str = "", now: Callable[[], float] = time.time
    ) -> None:
        """queue_timeout: in seconds; 0 for a queue that is never stuck. peers: None where they are not known.
        pod: its name, by default the host's. now: as time.time."""
        self._queue_timeout = queue_timeout
        self._peers = peers
        self._pod = pod or socket.gethostname()
        self._now = now

    def problem(self, workers: Sequence[WorkerStatus], monotonic: float) -> str | None:
        """Why the server leaves, or None if it stays. workers: those that are ready, one or more. monotonic: the time
        by their clock."""
        blocked = min(worker.blocked_for(monotonic) for worker in workers)
        if not self._queue_timeout or blocked <= self._queue_timeout:
            if self._peers:
                self._peers.forget()
            return None
        leaves = self._peers.may_leave() if self._peers else has_turn(self._pod, self._now())
        if not leaves:
            return None
        limit = f"QUEUE_TIMEOUT={self._queue_timeout}"
        return f"no thread has taken a request for {blocked:.0f} s, though some have waited ({limit})"
