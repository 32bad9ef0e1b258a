"""What a scenario puts on the release: probers, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["new", "keep-alive", "slow", "upload"]
NAMES: dict[Kind, str] = {
    "new": "new connections",
    "keep-alive": "keep-alive connections",
    "slow": "slow requests",
    "upload": "uploads",
}
Via = Literal["service", "node port", "gateway", "ingress", "HTTPRoute"]


@dataclass(frozen=True)
class Traffic:
    """One prober: what it sends, how often, which way, and how long it waits.

    rate: requests a second. path: path and query; the example application's for this kind if not given.
    timeout: seconds from when a request is due until it counts as failed. request_seconds: how long the server has a
    request in flight without a fault, for the error budget of an abrupt loss. looks_up: whether the name is
    looked up for each connection, and not once.
    """

    kind: Kind
    rate: float
    path: str | None = None
    via: Via = "service"
    timeout: float = 5.0
    request_seconds: float = 0.05
    looks_up: bool = False
    label: str | None = None

    @property
    def name(self) -> str:
        """What the report calls it."""
        way = "" if self.via == "service" else f" through the {self.via}"
        return self.label or NAMES[self.kind] + way + (", each looked up" if self.looks_up else "")

    @property
    def keeps_connections(self) -> bool:
        """Whether its connections outlast a request."""
        return self.kind in ("keep-alive", "upload")


NEW = Traffic("new", 50)
KEPT = Traffic("keep-alive", 50)
# The prober asks for requests of a second.
SLOW = Traffic("slow", 4, request_seconds=1.0)
UPLOAD = Traffic("upload", 20)
CLIENTS = (NEW, KEPT)
"""Both kinds of client: each is lost in its own way when a pod goes."""
EVERY_KIND = (NEW, KEPT, SLOW, UPLOAD)
