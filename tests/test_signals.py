"""The application's own signal handlers and what it registers with atexit: they run, and cost no request."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving_process import Server, own_application, serving, starting, until

APPLICATION = "tests.handling_signals:create_app()"


def told(tmp_path: Path) -> list[str]:
    """What the application has told so far."""
    file = tmp_path / "told"
    return file.read_text().splitlines() if file.exists() else []


def variables(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"WSGI_APP": APPLICATION, "TOLD": str(tmp_path / "told"), **more}


def slow_request_while_it_stops(server: Server, tmp_path: Path, number: signal.Signals = signal.SIGTERM) -> int:
    """Send a signal to the master while a request is in flight; the exit status. The request must be answered."""
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.get, "/slow")
        until("the request is in flight", lambda: "began" in told(tmp_path))
        server.process.send_signal(number)
        assert answer.result().body == b"whole"
        return server.process.wait(15)


@pytest.mark.parametrize("way", ["", "3", "4", "note", "raise"])
def test_a_handler_of_the_application_for_sigterm_runs_after_the_requests_in_flight(tmp_path: Path, way: str) -> None:
    """Whatever it does: exits, with a status that means something to gunicorn, returns, or fails."""
    with serving(tmp_path, **variables(tmp_path, WAY=way)) as server:
        assert slow_request_while_it_stops(server, tmp_path) == 0
        messages = [line["message"] for line in server.log()]
    assert told(tmp_path) == ["began", "answered", "SIGTERM", "atexit, in a view", "atexit, at import"]
    assert ("Error in the application's handler for SIGTERM" in messages) == (way == "raise")
    assert not [message for message in messages if "failed to boot" in message.lower()]


def test_an_application_that_takes_the_wakeup_descriptor_gets_its_signals_and_the_worker_stops(tmp_path: Path) -> None:
    with serving(tmp_path, **variables(tmp_path, WAY="asyncio")) as server:
        os.kill(server.workers()[0], signal.SIGUSR1)
        until("the application has got its signal", lambda: "asyncio SIGUSR1" in told(tmp_path), timeout=5)
        assert slow_request_while_it_stops(server, tmp_path) == 0
    # The application's own thread, which gets the signal, may be the last to write.
    lines = [line for line in told(tmp_path) if not line.startswith("asyncio")]
    assert lines.index("answered") < len(lines) - 2
    assert lines[-2:] == ["atexit, in a view", "atexit, at import"]


def test_ctrl_c_stops_a_worker_at_once_but_runs_what_the_application_has_registered(tmp_path: Path) -> None:
    with serving(tmp_path, **variables(tmp_path, WAY="note")) as server:
        began = time.monotonic()
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 5
    assert told(tmp_path) == ["SIGINT", "SIGQUIT", "atexit, at import"]


def test_ctrl_c_in_the_terminal_leaves_the_decision_to_the_master(tmp_path: Path) -> None:
    with serving(tmp_path, **variables(tmp_path)) as server:
        os.kill(server.workers()[0], signal.SIGINT)
        time.sleep(0.5)
        assert server.get("/").body == b"ok"
        assert len(server.workers()) == 1
        assert told(tmp_path) == []


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGHUP"])
def test_signals_that_do_not_stop_the_worker_are_the_applications(tmp_path: Path, name: str) -> None:
    with serving(tmp_path, **variables(tmp_path)) as server:
        os.kill(server.workers()[0], signal.Signals[name])
        until("the application has got its signal", lambda: told(tmp_path) == [name], timeout=5)
        assert server.get("/").body == b"ok"


@pytest.mark.parametrize(
    "waits",
    [
        "import socket; ends = socket.socketpair(); ends[0].recv(1)",
        "import subprocess; subprocess.run(['sleep', '60'])",
    ],
    ids=["socket", "program"],
)
def test_a_stop_ends_an_import_that_waits_for_what_never_comes(tmp_path: Path, waits: str) -> None:
    own = own_application(tmp_path, f"from pathlib import Path\nPath('waits').touch()\n{waits}\n")
    with starting(tmp_path, GRACEFUL_TIMEOUT="60", **own) as server:
        until("it waits", (tmp_path / "waits").exists)
        time.sleep(0.5)
        # The least is what killing it after GRACEFUL_TIMEOUT would take.
        assert server.stop(timeout=30) == 0


@pytest.mark.parametrize("way", ["0", "note"])
def test_a_stop_while_the_application_is_loaded_is_heeded_though_it_has_a_handler(tmp_path: Path, way: str) -> None:
    with starting(tmp_path, **variables(tmp_path, WAY=way, LOADING="3")) as server:
        until("it is being loaded", lambda: told(tmp_path) == ["loading"])
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8
        assert "can't be loaded" not in server.log_file.read_text()
    assert told(tmp_path)[1] == "SIGTERM"
