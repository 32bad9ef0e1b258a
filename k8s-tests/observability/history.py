"""When each alert fired, and when it was over, as Prometheus said it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from observability.monitoring import Key, Monitoring


@dataclass
class Seen:
    """An alert's time on a monotonic clock, and what it said."""

    first: float
    last: float
    alert: dict[str, Any]


@dataclass
class History:
    """What was seen to fire so far, by alert."""

    monitoring: Monitoring
    seen: dict[Key, Seen] = field(default_factory=dict)
    firing: set[Key] = field(default_factory=set)
    ill: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Ask Prometheus once."""
        now, found = time.monotonic(), self.monitoring.firing()
        for key, alert in found.items():
            seen = self.seen.setdefault(key, Seen(now, now, alert))
            seen.last = now
        self.firing = set(found)
        self.ill |= self.monitoring.ill()
