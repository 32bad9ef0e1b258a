"""A stop that reaches a worker before it has handlers of its own is a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest

from nodrop.application.slow_load import SlowLoad
from nodrop.system import early_signals
from tests.serving_process import ROOT, environment, own_application, starting, until

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


# --- In a process with no thread but its own, or any might take a signal ----------------------------------------------


def holds(check: Callable[[], bool]) -> bool:
    """Whether a function of this module returns True in a process of its own."""
    source = f"import sys\nfrom tests import test_early_signals as here\nsys.exit(not here.{check.__name__}())"
    return subprocess.run([sys.executable, "-c", source], cwd=ROOT, env=environment(), check=False).returncode == 0


def recording(*numbers: int) -> list[int]:
    """The signals of these that come from now on, each as it comes."""
    received: list[int] = []
    for number in numbers:
        signal.signal(number, lambda number, _: received.append(number))
    return received


def signals_reach_each_child() -> bool:
    early_signals.keep_at_forks()
    received = recording(signal.SIGTERM)
    return all(_reaches_child(received) for _ in range(FORKS))


def _reaches_child(received: list[int]) -> bool:
    """Signal a child as soon as its process id is known, before it may have run: whether its handler is called."""
    child = os.fork()
    if child == 0:
        deadline = time.monotonic() + 3
        while not received and time.monotonic() < deadline:
            time.sleep(0.001)
        os._exit(0 if received else 1)
    os.kill(child, signal.SIGTERM)
    return os.waitpid(child, 0)[1] == 0


def test_no_signal_is_lost_in_a_fork() -> None:
    assert holds(signals_reach_each_child)


def signal_is_held_back() -> bool:
    received = recording(signal.SIGTERM)
    with early_signals.held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        before = list(received)
    return (before, received) == ([], [signal.SIGTERM])


def test_what_arrives_while_it_is_held_back_is_delivered_afterwards() -> None:
    assert holds(signal_is_held_back)


def signal_is_held_back_during_a_load() -> bool:
    loading = SlowLoad()
    loading.begin()
    held = signal_is_held_back()
    loading.end()
    return held


def test_the_thread_that_watches_a_load_takes_no_signal_from_the_main_thread() -> None:
    assert holds(signal_is_held_back_during_a_load)


def only_stops_are_sent_again() -> bool:
    numbers = (signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
    received = recording(*numbers)
    queued: SimpleQueue[int] = SimpleQueue()
    for number in numbers:
        queued.put(number)
    early_signals.send_again(queued)
    return received == [signal.SIGQUIT] and queued.empty()


def test_what_does_not_stop_a_worker_is_not_sent_again() -> None:
    assert holds(only_stops_are_sent_again)
