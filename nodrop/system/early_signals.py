"""Signals that reach a worker before its handlers are set: they are acted upon then.

A new worker has its master's handlers until it sets its own, and those only queue the number for the master's loop,
which a worker does not run. Before that, as the fork is completed, Python forgets what has arrived. A worker that
missed its SIGTERM so would serve on until the master kills it after GRACEFUL_TIMEOUT, with its requests.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

STOPPING = frozenset({signal.SIGTERM, signal.SIGQUIT, signal.SIGINT})
"""What a master, or a terminal, stops a worker with."""
_masks = threading.local()
_guarded = False


@contextmanager
def held_back() -> Iterator[None]:
    """A signal of STOPPING that arrives in the block is delivered after it, unless another thread can take it.

    A thread that is started in the block can't, for as long as it lives.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def keep_at_forks() -> None:
    """From now on, deliver what reaches a child of this process while it is forked to the handlers that it inherits."""
    global _guarded  # noqa: PLW0603
    if _guarded:
        return
    _guarded = True

    def before() -> None:
        _masks.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def after() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.mask)

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)


def send_again(queued: SimpleQueue[int]) -> None:
    """Deliver to this process what the master's handlers have queued in it that is to stop it.

    What the master itself had queued before the fork is among it. It stops all workers for that.
    """
    while True:
        try:
            number = queued.get_nowait()
        except Empty:
            return
        if number in STOPPING:
            os.kill(os.getpid(), number)
