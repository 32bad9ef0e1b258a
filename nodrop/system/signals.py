"""The worker's signals, which the application may have handlers of its own for.

An application that ends the process on SIGTERM, as scripts do, would cost the requests in flight. So the worker's
handlers stand for the signals that stop it, and the application's run once the worker has finished. All other signals
are the application's, if it wants them.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable

# By name, before eventlet in an application replaces them with functions that wait.
from os import read, write
from types import FrameType
from typing import Any, NoReturn

Handler = Callable[[int, FrameType | None], Any]
_log = logging.getLogger(__name__)


class Stopping(SystemExit):
    """The server is told to stop while it loads the application, whose code this passes through."""


class WorkerSignals:
    """The signal handlers of one worker. For its main thread."""

    def __init__(
        self,
        handlers: dict[int, Handler],
        pipe: tuple[int, int],
        others: Iterable[int] = (),
        *,
        before_hand_over: Callable[[], None] = lambda: None,
    ) -> None:
        """handlers: the worker's, for the signals that stop it. pipe: its ends for reading and writing; the number of
        each signal is written to it, which wakes the worker. others: signals that gunicorn has set handlers for.
        before_hand_over: called before the application's handlers, which may end the process without letting it run
        anything more.
        """
        self._before_hand_over = before_hand_over
        self._handlers = handlers
        self._pipe = pipe
        self._applications: dict[int, Handler] = {}
        self._applications_pipe = -1
        self._received: dict[int, None] = {}  # in their order
        self._unheeded = b""
        # While the application is loaded a wait for something that never comes is ended by a stop.
        self._install(goes_on_waiting=False)
        self._own = {number: signal.getsignal(number) for number in (*handlers, *others)}

    @property
    def numbers(self) -> list[int]:
        """The signals that the worker has handlers for."""
        return list(self._own)

    def stand(self) -> None:
        """Set the worker's handlers again, after the application was loaded, and keep those that it has set instead.

        A signal that only the application was told of is acted upon now.
        """
        for number in self._handlers:
            found = signal.getsignal(number)
            if callable(found) and found not in (self._on_signal, signal.default_int_handler):
                self._applications[number] = found
        self._install(goes_on_waiting=True)
        for number in self._unheeded + self._unread():
            if number in self._applications and number not in self._received:
                self._on_signal(number, None)

    def stopping(self) -> bool:
        """Whether a signal that stops the worker has come, even if only the application was told. For the start."""
        self._unheeded += self._unread()
        return any(number in self._handlers and number != signal.SIGINT for number in self._unheeded)

    def _unread(self) -> bytes:
        try:
            return read(self._pipe[0], 4096)
        except BlockingIOError:
            return b""

    def _install(self, *, goes_on_waiting: bool) -> None:
        """goes_on_waiting: whether a system call that is interrupted by a signal is begun again, as the kernel can."""
        for number in self._handlers:
            signal.signal(number, self._on_signal)
            signal.siginterrupt(number, not goes_on_waiting)
        descriptor = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        if descriptor not in (-1, self._pipe[1]):
            self._applications_pipe = descriptor

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received[number] = None
        self._handlers[number](number, frame)

    def pass_on(self, woken_by: bytes) -> None:
        """Tell an application that has set a wake-up descriptor of its own, such as asyncio's, of its signals.

        woken_by: what was read from the pipe.
        """
        if self._applications_pipe >= 0:
            numbers = bytes(each for each in woken_by if each in signal.valid_signals() and each not in self._handlers)
            self._tell(numbers)

    def hand_over(self) -> None:
        """Call the application's handlers for the signals that the worker was stopped with, now that it has finished.

        That they end the process, which most of them do, is nothing new.
        """
        self._before_hand_over()
        self._tell(bytes(self._received))
        for number in list(self._received):
            if handler := self._applications.get(number):
                try:
                    handler(number, None)
                except (SystemExit, KeyboardInterrupt):
                    pass
                except Exception:
                    _log.exception("Error in the application's handler for %s", signal.Signals(number).name)

    def _tell(self, numbers: bytes) -> None:
        if self._applications_pipe >= 0 and numbers:
            with contextlib.suppress(OSError):
                write(self._applications_pipe, numbers)

    def leave(self) -> NoReturn:
        """End the process at once, but for the application's handlers and what is registered with atexit.

        Threads of the application that are no daemons are not waited for.
        """
        self.hand_over()
        atexit._run_exitfuncs()
        os._exit(0)

    def reset(self) -> None:
        """In a child process: handle signals as a program does that has set what the application has, and no more."""
        signal.set_wakeup_fd(-1)
        for number, own in self._own.items():
            if signal.getsignal(number) == own:
                default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, self._applications.get(number, default))
