"""The server as a real process: starting, and stopping without leaving anything behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.management_process import health_server, runtime_folder, supervisor
from tests.serving_process import ROOT, Server, command, environment, free_port, is_held, serving, until


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse, and return what it said."""
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    return subprocess.run(
        command(), cwd="/", env=environment(**{**ports, **variables}),
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def left_behind() -> set[Path]:
    """Folders in memory that no living server holds."""
    return {folder for folder in Path("/dev/shm").glob("nodrop-*") if not is_held(folder)}


# --- Starting -------------------------------------------------------------------------------------------------------


def test_it_answers_on_the_port(server: Server) -> None:
    assert server.get("/").json()["version"] == "1.2.3"


def test_a_bad_setting_stops_the_start_with_one_line() -> None:
    refused = start(PORT="eighty")
    assert refused.returncode == 1
    assert refused.stderr == "PORT='eighty' can't be accepted: set it to a whole number from 1 to 65535\n"


def test_a_bad_setting_of_the_application_stops_the_start_without_a_traceback() -> None:
    refused = start(LOAD_ENDPOINTS="lots")
    assert refused.returncode != 0
    assert (
        "LOAD_ENDPOINTS='lots' can't be accepted: set it to one of 1, true, yes, on, 0, false, no, off"
        in refused.stderr
    )
    assert "Traceback" not in refused.stdout + refused.stderr


def test_an_application_that_is_not_there_stops_the_start() -> None:
    refused = start(WSGI_APP="app.gone:app")
    assert refused.returncode != 0
    assert "there is neither gone.py nor gone/ in" in refused.stdout + refused.stderr


@pytest.mark.parametrize("variable", ["PORT", "MANAGEMENT_PORT"])
def test_a_busy_port_gets_a_clear_message(variable: str) -> None:
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        port = busy.getsockname()[1]
        refused = start(**{variable: str(port)})
    assert refused.returncode == 1
    assert f"port {port} is already in use: stop what uses it, or choose another with {variable}=<port>" in (
        refused.stderr
    )


def test_an_upgrade_in_place_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGUSR2)
        until("it is refused", lambda: "(SIGUSR2) is not supported" in server.log_file.read_text())
        assert server.get("/").status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


def test_a_reload_keeps_what_was_counted_and_stays_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.get("/")
        server.process.send_signal(signal.SIGHUP)
        until("a second worker", lambda: len(server.workers()) == 2)
        until("ready", server.is_ready)
        assert server.get("/").status == 200
        # The startup's request is the third.
        until("all are counted", lambda: server.metrics()['flask_http_request_total{method="GET",status="200"}'] == 3)


# --- The folder in memory -------------------------------------------------------------------------------------------


def test_the_folders_of_killed_servers_are_removed_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from nodrop.system.runtime_folder import runtime_folder
print(runtime_folder(Path({str(tmp_path)!r})), flush=True)
sys.stdin.read()
"""

    def holder() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    processes = []
    try:
        killed, left = holder()
        processes.append(killed)
        living, kept = holder()
        processes.append(living)
        assert left.is_dir()
        killed.kill()
        killed.wait()
        third, new = holder()
        processes.append(third)
        assert not left.exists()
        assert kept.is_dir()
        assert new.is_dir()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.alone  # others leave folders behind on purpose
def test_a_refused_start_leaves_no_folder_behind() -> None:
    before = left_behind()
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        start(PORT=str(busy.getsockname()[1]))
    start(PORT="eighty")
    assert left_behind() <= before


# --- Stopping -------------------------------------------------------------------------------------------------------


def test_a_request_in_flight_is_finished_and_readiness_ends_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1") as server, ThreadPoolExecutor(1) as clients:
        slow = clients.submit(server.get, "/sleep?ms=6000")
        until("it is in flight", lambda: server.metrics()["nodrop_threads_busy"] == 1)
        server.process.send_signal(signal.SIGTERM)
        until("not ready", lambda: not server.is_ready())
        assert server.manage("/readyz").body == b"not ready: every worker is stopping, gone or standing still\n"
        assert server.manage("/livez").status == 200
        assert not slow.done()
        assert slow.result().status == 200
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as server:
        group = server.process.pid
        folder = runtime_folder(server)
        assert folder.exists()
        # Ctrl-C reaches the whole process group; SIGTERM the master alone.
        if number == signal.SIGINT:
            os.killpg(group, number)
        else:
            server.process.send_signal(number)
        server.process.wait(10)
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
        with pytest.raises(ConnectionRefusedError):
            server.manage("/livez")
        assert not folder.exists()


def test_the_management_process_ends_with_a_master_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        group = server.process.pid
        server.process.kill()
        server.process.wait()

        def all_gone() -> bool:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            return False

        until("every process has ended", all_gone, timeout=10)
        until("health is not answered any more", lambda: not server.is_ready(), timeout=5)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has is read from /proc")
def test_the_management_process_has_no_file_and_no_signal_handler_of_the_masters(tmp_path: Path) -> None:
    """It is forked from the master: with the listener it would hold the port when the master is gone, and with the
    lock the server's folder."""

    def files(pid: int) -> set[str]:
        found = set()
        for path in Path(f"/proc/{pid}/fd").iterdir():
            # One may be closed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found |= {str(path.readlink())} if int(path.name) > 2 else set()
        return found

    def caught(pid: int) -> set[int]:
        (mask,) = re.findall(r"^SigCgt:\t(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return {number for number in range(1, 32) if int(mask, 16) >> number - 1 & 1}

    with serving(tmp_path) as server:
        master, management = server.process.pid, supervisor(server)
        assert caught(master) > {signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM}
        for pid in (management, health_server(server)):
            assert caught(pid) == {signal.SIGTERM}
            assert (files(master) - {"/dev/null"}) & files(pid) == set()
            assert os.getpgid(pid) == management
