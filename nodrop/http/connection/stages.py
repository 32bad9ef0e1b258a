"""The states of a connection, as one table: what is watched, who owns it, which deadline applies, what comes next.

Everything that the worker does with a connection because of its state is looked up here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from nodrop.config.settings import ServingSettings

CLOSING_SECONDS = 2.0
"""How long a client that sends nothing has to close a connection that was closed on this side."""
LINGER_SECONDS = 60.0
LINGER_BYTES = 1024 * 1024 * 1024
"""For how long, and how much, a client may go on sending then, as one does whose upload was refused. To close would
reset the connection, and the client could lose its answer."""


class Stage(Enum):
    """What is being waited for."""

    IDLE = auto()
    """A request, of which nothing has arrived yet."""
    HEAD = auto()
    """The rest of a request's head."""
    BODY = auto()
    """The rest of a request's body."""
    APPLICATION = auto()
    """The application: its thread, then its answer."""
    SENDING = auto()
    """The client, to take the rest of its answer."""
    CLOSING = auto()
    """The client, to close a connection that is closed on this side."""

    # Each is one object, and is looked up in the table for every connection whenever one has to make room; Enum's own
    # hash is computed in Python, from the name.
    __hash__ = object.__hash__


class Owner(Enum):
    """Who may use the connection. What the other wants of it is asked of the owner."""

    LOOP = auto()
    THREAD = auto()


class Overdue(Enum):
    """What happens when the deadline passes."""

    CLOSE = auto()
    REFUSE = auto()
    """The request is answered 408."""
    CUT = auto()
    """The rest of the answer is dropped, with a line in the log."""


@dataclass(frozen=True)
class Rule:
    """What holds in a stage."""

    reads: bool
    """Whether what the client sends is read. Otherwise it waits in the kernel."""
    deadline: Callable[[ServingSettings], float]
    """How long the stage may last, in seconds; a client that makes progress may get more."""
    overdue: Overdue
    makes_room: int | None
    """The order in which connections are closed to make room for a new one, the lowest first; None for never."""
    next: frozenset[Stage]
    owner: Owner = Owner.LOOP


def _any_of(*stages: Stage) -> frozenset[Stage]:
    return frozenset(stages)


# A refused request goes from any stage to SENDING.
TABLE: dict[Stage, Rule] = {
    Stage.IDLE: Rule(
        reads=True, deadline=lambda settings: settings.keep_alive, overdue=Overdue.CLOSE, makes_room=1,
        next=_any_of(Stage.HEAD, Stage.BODY, Stage.APPLICATION, Stage.SENDING),
    ),
    Stage.HEAD: Rule(
        reads=True, deadline=lambda settings: settings.read_timeout, overdue=Overdue.REFUSE, makes_room=2,
        next=_any_of(Stage.BODY, Stage.APPLICATION, Stage.SENDING),
    ),
    Stage.BODY: Rule(
        reads=True, deadline=lambda settings: settings.read_timeout, overdue=Overdue.REFUSE, makes_room=2,
        next=_any_of(Stage.APPLICATION, Stage.SENDING),
    ),
    # Without a deadline: how long an application may take is STALL_TIMEOUT's business. One applies while something of
    # the answer waits for the client, WRITE_TIMEOUT in every stage.
    Stage.APPLICATION: Rule(
        reads=False, deadline=lambda _: math.inf, overdue=Overdue.CUT, makes_room=None, owner=Owner.THREAD,
        next=_any_of(Stage.SENDING, Stage.IDLE),
    ),
    Stage.SENDING: Rule(
        reads=False, deadline=lambda settings: settings.write_timeout, overdue=Overdue.CUT, makes_room=2,
        next=_any_of(Stage.IDLE, Stage.CLOSING),
    ),
    Stage.CLOSING: Rule(
        reads=True, deadline=lambda _: CLOSING_SECONDS, overdue=Overdue.CLOSE, makes_room=0, next=_any_of(),
    ),
}  # fmt: skip
