"""How a scenario goes while it runs: one line in a terminal that is written over, or a line now and then in a log.

It only shows: whatever goes wrong with it is left out, and it never holds a scenario up. The numbers are those that
each prober prints every few seconds.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, TextIO

TERMINAL_SECONDS = 1.0
LOG_SECONDS = 15.0
# As often as a prober says something new.
ASK_SECONDS = 5.0
# What leaving a scenario may take at most; a request to the API server that is still open is then abandoned.
LEAVE_SECONDS = 0.5


class Sends(Protocol):
    """The part of a prober that is asked."""

    def progress(self) -> tuple[int, int]:
        """Requests sent and failed so far."""
        ...


class Progress:
    """Shows how `scenario` goes while the `with` block runs, on `console` if there is one. Set `phase` as it goes.

    probers: gives those that send at the moment.
    """

    def __init__(self, scenario: str, probers: Callable[[], Sequence[Sends]], console: TextIO | None) -> None:
        self._scenario, self._probers, self._console = scenario, probers, console
        self.phase = "control"
        self._seen: dict[Sends, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = 0.0

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if self._console:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._console:
            self._thread.join(LEAVE_SECONDS)
            with suppress(Exception):
                if self._console.isatty():
                    # What comes next is another line.
                    self._write("\n")

    def _run(self) -> None:
        with suppress(Exception):
            assert self._console
            terminal = self._console.isatty()
            if terminal:
                # Below what is on the line already, such as the name of the test.
                self._write("\n")
            asked = shown = time.monotonic()
            while not self._stop.wait(TERMINAL_SECONDS):
                now = time.monotonic()
                if now - asked >= ASK_SECONDS:
                    self._ask()
                    asked = now
                if self._stop.is_set():
                    break
                if terminal:
                    self._write(f"\r\x1b[2K{self._line()[: shutil.get_terminal_size().columns - 1]}")
                elif now - shown >= LOG_SECONDS:
                    self._write(f"{self._line()}\n")
                    shown = now

    def _ask(self) -> None:
        for prober in self._probers():
            # One that has not begun or is gone: what it said last stands.
            with suppress(Exception):
                self._seen[prober] = prober.progress()

    def _line(self) -> str:
        sent, failed = (sum(numbers) for numbers in zip(*self._seen.values(), strict=True)) if self._seen else (0, 0)
        elapsed = time.monotonic() - self._started
        return f"{self._scenario}: {self.phase}, {elapsed:.0f} s, {sent} sent, {failed} failed"

    def _write(self, text: str) -> None:
        assert self._console
        self._console.write(text)
        self._console.flush()


def console() -> TextIO:
    """Standard error as it is now, also while pytest captures what is written to it. Call it before that begins."""
    return os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
