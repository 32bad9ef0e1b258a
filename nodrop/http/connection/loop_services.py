"""What a connection asks of the loop that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from nodrop.http.connection.spool import Budget, BudgetExceeded

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection


class LoopServices(Protocol):
    """Room, progress and what is left to send, as the loop sees to them for all connections."""

    # --- Called by the loop ------------------------------------------------------------------------------------------

    def room_for_body(self, connection: Connection, request: Any) -> Budget:
        """Where the request's body is to be kept."""

    def give_way(self, connection: Connection, exceeded: BudgetExceeded) -> None:
        """Make room for the request's body, which does not fit, for this reason. Raises Refusal if it can't be."""

    # --- Called by the thread that has the request -------------------------------------------------------------------

    def send_rest(self, connection: Connection) -> None:
        """Something of the answer was left to be sent by the loop."""

    def hold(self, connection: Connection, data: bytes) -> bool:
        """Send the last of an answer in a moment, together with others; False if it is to be sent at once."""

    def make_room(self, connection: Connection, size: int) -> None:
        """So many bytes of the answer can't be kept, since the room for answers is taken."""

    def progressed(self, connection: Connection) -> None:
        """The request has read or written something, or waits for its client to take something."""

    def exempt(self, connection: Connection) -> None:
        """The application has the socket: the request may make no progress for as long as it likes."""
