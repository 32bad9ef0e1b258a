"""An application's own server, started while it is imported, is left out: `app.run()` without a guard, and its like.

It would never return, so that gunicorn's worker never served; with the debugger it would start the process again. Flask
itself ignores such a call under `flask run`.
"""

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import werkzeug.serving
from flask import Flask

from nodrop.importing.frames import caller

OTHERS = {
    "bottle": "run",
    "eventlet.wsgi": "server",
    "flask_script": "Manager.run",
    "flask_socketio": "SocketIO.run",
    "gevent.baseserver": "BaseServer.serve_forever",
    "uvicorn": "run",
    "waitress": "serve",
}
"""Servers that are not loaded unless the application does, by module: what starts each."""
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def left_out() -> Iterator[None]:
    """Have calls in this thread that would start a server do nothing but warn, until the block ends."""
    thread = threading.get_ident()
    with contextlib.ExitStack() as stack:
        for holder, name in (
            (Flask, "run"),
            (werkzeug.serving, "run_simple"),
            (socketserver.BaseServer, "serve_forever"),
        ):
            stack.enter_context(_replaced(holder, name, thread))
        watch = _Watch(lambda module, path: _replace_in(module, path, thread, stack))
        for name, path in OTHERS.items():
            if name in sys.modules:
                _replace_in(sys.modules[name], path, thread, stack)
        sys.meta_path.insert(0, watch)
        stack.callback(sys.meta_path.remove, watch)
        yield


def _replace_in(module: ModuleType, path: str, thread: int, stack: contextlib.ExitStack) -> None:
    owner, _, name = path.rpartition(".")
    holder = getattr(module, owner, None) if owner else module
    if callable(getattr(holder, name, None)):
        stack.enter_context(_replaced(holder, name, thread))


@contextlib.contextmanager
def _replaced(holder: Any, name: str, thread: int) -> Iterator[None]:
    original: Callable[..., Any] = getattr(holder, name)
    owner = f"{holder.__name__}.{name}"

    @functools.wraps(original)
    def leave_out(*arguments: Any, **options: Any) -> Any:
        # A server in a thread of its own keeps nobody waiting.
        if threading.get_ident() != thread:
            return original(*arguments, **options)
        _log.warning(
            "%s() was called at %s, while the application was loaded, and is left out: nodrop serves it. Put the call "
            "under `if __name__ == '__main__':`",
            owner,
            caller(sys._getframe(1)) or "an unknown place",
        )
        return None

    setattr(holder, name, leave_out)
    try:
        yield
    finally:
        setattr(holder, name, original)


class _Watch(importlib.abc.MetaPathFinder):
    """Calls `loaded` after a module of OTHERS was imported. Finds nothing by itself."""

    def __init__(self, loaded: Callable[[ModuleType, str], None]) -> None:
        self._loaded = loaded

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in OTHERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                self._loaded(module, OTHERS[name])

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec
