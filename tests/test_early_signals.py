"""A stop that reaches a worker before it has handlers of its own is a stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest

from nodrop.application.slow_load import SlowLoad
from nodrop.system import early_signals
from tests.serving_process import own_application, starting, until

APPLICATION = "import flask\napp = flask.Flask(__name__)\n"
HOOKS = """
import time
from pathlib import Path

def post_fork(server, worker):
    Path("forked").touch()
    while not Path("go-on").exists():
        time.sleep(0.02)
"""
FORKS = 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT], ids=["SIGTERM", "SIGQUIT"])
@pytest.mark.parametrize("server_name", ["nodrop", "gthread"])
def test_a_worker_that_is_told_to_stop_as_soon_as_it_is_forked_stops(
    tmp_path: Path, server_name: str, number: signal.Signals
) -> None:
    (tmp_path / "early_hooks.py").write_text(HOOKS)
    own = own_application(tmp_path, APPLICATION)
    with starting(tmp_path, HOOKS="early_hooks", SERVER=server_name, GRACEFUL_TIMEOUT="60", **own) as server:
        until("the worker is forked", lambda: (tmp_path / "forked").exists() and bool(server.workers()))
        os.kill(server.workers()[0], number)
        server.process.send_signal(signal.SIGTERM)
        # The master, too, has sent its signal: it says so, and waits.
        until("the master stops", lambda: "Handling signal: term" in server.log_file.read_text())
        time.sleep(0.5)
        (tmp_path / "go-on").touch()
        # Far less than GRACEFUL_TIMEOUT, after which the worker would be killed.
        assert server.process.wait(30) == 0


def test_no_signal_is_lost_in_a_fork() -> None:
    """Each child is signalled as soon as its process id is known, when it may not have run yet."""
    early_signals.keep_at_forks()
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        statuses = [_status_of_signalled_child(received) for _ in range(FORKS)]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert statuses == [0] * FORKS


def _status_of_signalled_child(received: list[int]) -> int:
    """0 if the handler of a child that is signalled at once is called."""
    child = os.fork()
    if child == 0:
        deadline = time.monotonic() + 3
        while not received and time.monotonic() < deadline:
            time.sleep(0.001)
        os._exit(0 if received else 1)
    os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- In a process with no thread but its own, or any may take a signal ------------------------------------------------


def in_child(check: Callable[[], bool]) -> bool:
    """What `check` says in a child process."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if check() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def recording(*numbers: int) -> list[int]:
    """The signals of these that come from now on, each as it comes."""
    received: list[int] = []
    for number in numbers:
        signal.signal(number, lambda number, _: received.append(number))
    return received


def test_what_arrives_while_it_is_held_back_is_delivered_afterwards() -> None:
    def check() -> bool:
        received = recording(signal.SIGTERM)
        with early_signals.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            before = list(received)
        return (before, received) == ([], [signal.SIGTERM])

    assert in_child(check)


def test_the_thread_that_watches_a_load_takes_no_signal_from_the_main_thread() -> None:
    def check() -> bool:
        received = recording(signal.SIGTERM)
        loading = SlowLoad()
        loading.begin()
        with early_signals.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
            before = list(received)
        loading.end()
        return (before, received) == ([], [signal.SIGTERM])

    assert in_child(check)


def test_what_does_not_stop_a_worker_is_not_sent_again() -> None:
    def check() -> bool:
        numbers = (signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
        received = recording(*numbers)
        queued: SimpleQueue[int] = SimpleQueue()
        for number in numbers:
            queued.put(number)
        early_signals.send_again(queued)
        return received == [signal.SIGQUIT] and queued.empty()

    assert in_child(check)
