"""`nodrop dev` starts the application anew when a file changes, within a tenth of a second and what it takes to load.

A parent holds the port, and has imported nodrop and Flask. Each time it forks a child, which imports the application
and serves: as in production, where gunicorn's master does so. Meanwhile a browser waits instead of being refused.

Files are looked at instead of being announced by the system: it costs a hundredth of a core for a thousand modules,
and works on every file system that containers and virtual machines share.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

LOOK_SECONDS = 0.1
LOOK_EVERYWHERE_SECONDS = 0.5
"""How often the folders are looked through while the application can't be loaded."""
FRESH_SECONDS = 2.0
"""How long after a file was saved another save may have the same time, in whole seconds."""
END_SECONDS = 2.0
"""How long threads of the application may keep a child from ending."""
CHANGED, CHANGED_BELOW = 3, 4
"""Exit statuses of a child: a file has changed; one that the parent has imported too."""
MADE = {"node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist"}
"""Folders whose Python files are not the application's."""


def keep_serving(serve: Callable[[], NoReturn]) -> NoReturn:
    """Fork a child that calls `serve`, and another one each time it ends because of a change; until a signal."""
    child = 0

    def stop(*_: Any) -> NoReturn:
        if child:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        raise SystemExit(0)

    # Ctrl-C reaches the child too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # What Flask and others look for, to do something once only: not in the parent of a reloader.
    os.environ["WERKZEUG_RUN_MAIN"] = "true"
    while True:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        child = os.fork()
        if not child:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: _leave(0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        if not child:
            serve()
        _, status = os.waitpid(child, 0)
        child = 0
        code = os.waitstatus_to_exitcode(status)
        if code == CHANGED_BELOW:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        elif code != CHANGED:
            sys.exit(code if code >= 0 else 128 - code)


class Watch:
    """What a child looks at. Made before it imports the application."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """tell: called with the file that has changed."""
        self._tell = tell
        self._everywhere = _python_files()
        """Taken before the application is loaded: what is saved meanwhile has changed."""
        self._below = {file: changed for file in _loaded_files() if (changed := _changed(file))}
        self._read: dict[str, float] = {}
        """The files that have been imported since, those with errors too, and when each had changed then."""
        self._note_what_is_read()

    def _note_what_is_read(self) -> None:
        """Have the import system say what it reads. A look only once all is loaded misses what changed before.

        Of a file that has just been saved, byte code is neither read nor written: it is told apart by the second and
        the size alone, and an edit may change neither.
        """
        original = SourceFileLoader.path_stats

        def path_stats(loader: SourceFileLoader, path: str) -> Mapping[str, Any]:
            stats = original(loader, path)
            self._read[path] = stats["mtime"]
            if time.time() - stats["mtime"] < FRESH_SECONDS:
                raise OSError("compiled from its source")
            return stats

        SourceFileLoader.path_stats = path_stats  # type: ignore[method-assign, assignment]

    def exit_on_change(self, *, is_broken: bool) -> NoReturn:
        """End the process when one of these files changes.

        is_broken: the application can't be loaded. The file that would mend it may not be there yet, so every Python
        file below the folders of the path counts.
        """
        next_look = 0.0
        while True:
            for known in (self._below, self._read):
                for file, before in list(known.items()):
                    # One that is gone has not changed: editors replace files.
                    if (changed := _changed(file)) and changed != before:
                        self._end(file)
            if is_broken and time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_EVERYWHERE_SECONDS
                for file, changed in _python_files().items():
                    if self._everywhere.get(file) != changed:
                        self._end(file)
            time.sleep(LOOK_SECONDS)

    def _end(self, file: str) -> NoReturn:
        self._tell(file)
        _leave(CHANGED_BELOW if file in self._below else CHANGED)


def _leave(status: int) -> NoReturn:
    """End the process, as the application expects it, but at the latest in END_SECONDS."""

    def insist() -> None:
        time.sleep(END_SECONDS)
        os._exit(status)

    threading.Thread(target=insist, daemon=True).start()
    sys.exit(status)


def _changed(file: str) -> float:
    """When the file was changed last; 0 if it is not there."""
    try:
        return os.stat(file).st_mtime  # noqa: PTH116 - thousands of them
    except OSError:
        return 0.0


def _loaded_files() -> Iterator[str]:
    """The files of the modules that are loaded now."""
    for module in list(sys.modules.values()):
        # Anything may have been put into sys.modules.
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            yield file


def _python_files() -> dict[str, float]:
    """The Python files below the folders of the path, but for those of the Python that runs, and when each changed."""
    found = {}
    own = (sys.prefix, sys.base_prefix)
    for entry in dict.fromkeys(Path(each).resolve() for each in sys.path):
        if str(entry).startswith(own):
            continue
        for parent, folders, names in os.walk(entry):
            folders[:] = [each for each in folders if each not in MADE and not each.startswith(".")]
            for name in names:
                if name.endswith(".py"):
                    file = os.path.join(parent, name)  # noqa: PTH118 - thousands of them
                    found[file] = _changed(file)
    return found
