"""The body of a request, as the application reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class Input:
    """wsgi.input, for an application whose reading counts as progress."""

    def __init__(self, body: Any, progressed: Callable[[], None]) -> None:
        self._body = body
        self._progressed = progressed

    def read(self, size: int | None = None) -> bytes:
        self._progressed()
        return self._body.read(size)  # type: ignore[no-any-return]

    def readline(self, size: int | None = None) -> bytes:
        self._progressed()
        return self._body.readline(size)  # type: ignore[no-any-return]

    def readlines(self, hint: int | None = None) -> list[bytes]:
        self._progressed()
        return self._body.readlines(hint)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        raise StopIteration
