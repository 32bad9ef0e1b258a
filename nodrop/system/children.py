"""What a child process that the application forks has of the worker: nothing that it could do harm with.

A fork copies the worker whole: its signal handlers, its listener, the connections of its clients, the memory in which
it reports to the management process. A child that is terminated would report that the worker stops, one that lives on
would hold the port and the clients' connections. So each child, however it was forked and from whichever thread, begins
with this put right, before any code of the application runs in it. What is exec'd needs none of it: no descriptor of
the worker's is inheritable.

Parts of the worker that a child must not have the use of say so with `when_forked`; `guard` makes it so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import stat
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

is_child = False
"""Whether this process is a child of a worker, forked by the application."""
_forking_thread: int | None = None
"""The thread that has forked it, the only one in it; unless threads are greenlets, of which a fork copies all."""

_log = logging.getLogger(__name__)
_callbacks: list[weakref.WeakMethod[Callable[[], None]]] = []
_before = threading.local()


def when_forked(method: Callable[[], None]) -> None:
    """Have the bound method called in each child, for as long as its object lives: to make the object harmless.

    There is one thread in the child, and a lock that another one held is never released: replace it.
    """
    _callbacks.append(weakref.WeakMethod(method))


def guard(*, signals: Iterable[int], reset_signals: Callable[[], None], descriptors: Callable[[], set[int]]) -> None:
    """See to all children of this process, a worker, from now on. For once in its life.

    signals: held back in the child until `reset_signals` has given it its own handlers.
    descriptors: of the worker, which the child gets /dev/null in place of.
    """
    blocked = frozenset(signals)

    def before() -> None:
        if not is_child:
            _before.thread = threading.get_ident()
            _before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

    def in_parent() -> None:
        if not is_child:
            signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)

    def in_child() -> None:
        global is_child, _forking_thread  # noqa: PLW0603
        # A child of a child: what was the worker's has become the first one's own.
        if is_child:
            return
        is_child = True
        _forking_thread = _before.thread
        for step in (lambda: replace_descriptors(descriptors()), reset_signals, *_living(_callbacks)):
            try:
                step()
            except Exception:
                _log.exception("A child process may still have something of the worker")
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)
        except BaseException as error:
            # From the handler of a signal that was held back. Python would report it, and go on in the child.
            leave("the start of a child process", error)

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def sockets_at(addresses: Iterable[Any]) -> set[int]:
    """This process's listeners and accepted connections at the ports of these addresses.

    From the system: a connection that another thread had just accepted when it was forked is in no list yet.
    """
    ports = {address[1] for address in addresses if isinstance(address, tuple)}
    found = set()
    for path in list(Path("/dev/fd").iterdir()):
        # The descriptor by which the folder is listed is closed by now.
        with contextlib.suppress(OSError):
            descriptor = int(path.name)
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode) and _local_port(descriptor) in ports:
                found.add(descriptor)
    return found


def _local_port(descriptor: int) -> int | None:
    """The port of this end; None for a socket of another family than the Internet's, or of UDP."""
    looked_at = socket.socket(fileno=descriptor)
    try:
        if looked_at.family not in (socket.AF_INET, socket.AF_INET6) or looked_at.type != socket.SOCK_STREAM:
            return None
        return int(looked_at.getsockname()[1])
    finally:
        looked_at.detach()


def replace_descriptors(descriptors: Iterable[int]) -> None:
    """Put /dev/null in the place of each. Closed, its number might become that of a file of the application, which the
    worker's objects, copied with all the rest, would close once more."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _living(references: Iterable[weakref.WeakMethod[Callable[[], None]]]) -> list[Callable[[], None]]:
    return [method for reference in references if (method := reference())]


def stand_still() -> NoReturn:
    """Wait for the end of this process, a child, in a greenlet that was copied with the one that has forked it."""
    while True:
        threading.Event().wait()


def leave(where: str, error: BaseException | None = None) -> NoReturn:
    """End this process, a child that has come back to the worker's code, where it has no business.

    where: what it came back from, for the log. error: what it came back with, if it did not return; SystemExit decides
    the exit status, as it does in any program.
    """
    if threading.get_ident() != _forking_thread:
        stand_still()
    status = 0
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    if isinstance(error, SystemExit):
        code = error.code
        if code is not None and not isinstance(code, int):
            _log.error("%s", code)
            code = 1
        status = (code or 0) & 0xFF
    elif error is not None:
        _log.error("Error in a child process that was forked in %s", where, exc_info=error)
        status = 1
    else:
        _log.warning("a child process has returned from %s, and is ended: let it end itself with os._exit()", where)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Not what is registered with atexit: that is for the worker to run, once.
    os._exit(status)
