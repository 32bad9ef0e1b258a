"""Says where an application stands that takes long to load: in the log, and to the probes."""

import logging
import threading
import time

# By name, and no threading.Thread: gevent in an application can only replace locks as long as threading knows of one
# thread; the import would fail with "cannot release un-acquired lock". What it has replaced is not for this thread.
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from types import FrameType

from nodrop.importing.frames import frame_of, is_own
from nodrop.system.early_signals import held_back

FIRST_SECONDS = 10.0
_log = logging.getLogger(__name__)


class SlowLoad:
    """Watches the thread that makes it load the application, from another thread."""

    def __init__(
        self,
        *,
        tell: Callable[[str], None] = _log.warning,
        report: Callable[[str], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Watch nothing yet.

        tell: gets a line after FIRST_SECONDS, and each time that twice as long has passed.
        report: gets a line every second, and an empty one at the end.
        alive: called every second.
        """
        self._tell = tell
        self._report = report
        self._alive = alive
        self._loader = threading.get_ident()
        self._watching = False
        # Each is held until what it is named after has come to pass.
        self._loaded, self._watched = allocate_lock(), allocate_lock()

    def begin(self) -> None:
        """The application is about to be loaded."""
        self._started = time.monotonic()
        self._watching = True
        self._loaded.acquire()
        self._watched.acquire()
        # Signals are for the main thread, which may be about to hold them back.
        with held_back():
            start_new_thread(self._look, ())

    def end(self) -> None:
        """The application is loaded, or can't be. May be called more than once."""
        if not self._watching:
            return
        self._watching = False
        self._loaded.release()
        # What is loaded may fork, and a child must not inherit what this thread holds.
        self._watched.acquire()

    def _look(self) -> None:
        try:
            self._watch()
        finally:
            self._watched.release()

    def _watch(self) -> None:
        due = FIRST_SECONDS
        while not self._loaded.acquire(timeout=1.0):
            self._alive()
            took = time.monotonic() - self._started
            line = f"the application has been loading for {took:.0f} s, and is at {place(self._loader)}"
            self._report(line)
            if took >= due:
                due *= 2
                self._tell(line)
        self._report("")


def place(thread: int) -> str:
    """The module that a thread is importing, its own line, and the innermost line if that is in other code."""
    stack = []
    frame = frame_of(thread)
    while frame:
        stack.append(frame)
        frame = frame.f_back
    if not stack:
        return "an unknown line"
    innermost = stack[0]
    own = next((each for each in stack if is_own(each.f_code.co_filename)), innermost)
    module = next((each.f_globals.get("__name__") for each in stack if each.f_code.co_name == "<module>"), None)
    importing = f"the import of {module}, " if module else ""
    told = f"{importing}{_line(own)}"
    return told if own is innermost else f"{told}, in {_line(innermost)}"


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}, line {frame.f_lineno} ({frame.f_code.co_name})"
