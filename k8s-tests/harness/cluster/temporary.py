"""What is in the cluster for as long as a `with` block lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Temporary(ABC):
    """Created and ready when the block is entered, deleted when it is left.

    If it does not get ready, or the block fails, its log is printed first: afterwards it is gone.
    """

    @abstractmethod
    def start(self) -> None:
        """Create it and wait until it is ready."""

    @abstractmethod
    def delete(self) -> None:
        """Delete it, also if only a part of it was created."""

    def finish(self) -> None:  # noqa: B027  # most have nothing to do
        """What must be done before it is deleted, whether or not the block failed."""

    def log(self) -> str:
        """What it has said, for whoever reads the failure."""
        return ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            print(self.log())
            self.delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.finish()
            if error:
                print(self.log())
        finally:
            self.delete()
