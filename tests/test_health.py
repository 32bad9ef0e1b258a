"""The management port: health, whatever the workers do."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving_process import Answer, Server, command, environment, free_port, serving, slow_application, until


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_a_running_server_is_healthy(server: Server, path: str) -> None:
    assert server.manage(path).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics"])
def test_health_and_metrics_are_not_on_the_applications_port(server: Server, path: str) -> None:
    assert server.get(path).status == 404


def test_the_management_port_serves_nothing_else(server: Server) -> None:
    assert server.manage("/").status == 404
    assert server.manage("/echo").status == 404
    assert server.manage("/livez", method="POST").status == 501


def test_health_answers_at_once_while_every_thread_is_stuck(tmp_path: Path) -> None:
    with serving(tmp_path, LOAD_ENDPOINTS="1", WEB_THREADS="2") as server, ThreadPoolExecutor(4) as clients:
        stuck = [clients.submit(server.get, "/sleep?ms=3000") for _ in range(4)]
        time.sleep(0.5)
        times = []
        for path in ["/livez", "/readyz", "/metrics"] * 5:
            began = time.monotonic()
            assert server.manage(path).status == 200
            times.append(time.monotonic() - began)
        assert not stuck[3].done(), "the threads were not stuck"
        assert sorted(times)[len(times) // 2] < 0.05


def test_it_is_not_ready_while_its_worker_is_dead_and_ready_again_with_the_next(tmp_path: Path) -> None:
    with serving(tmp_path, **slow_application(tmp_path, 1.5)) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        until("not ready", lambda: not server.is_ready(), timeout=1)
        assert server.manage("/readyz").body == b"not ready: every worker is stopping or gone\n"
        assert server.manage("/livez").status == 200
        until("ready again", server.is_ready)
        assert len(server.workers()) == 2


def health_server(server: Server) -> int:
    """The process that answers on the management port: the younger of the two that have it in their command."""
    wanted = f"app.serving.management {server.management_port}".encode().split()
    found = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if set(wanted) <= set(path.read_bytes().split(b"\0"))
    ]
    assert len(found) == 2
    return max(found)


def test_a_health_server_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        os.kill(health_server(server), signal.SIGKILL)
        until("health is refused", lambda: not server.is_ready(), timeout=2)
        until("it answers again", server.is_ready, timeout=5)
        assert any("health server died" in entry["message"] for entry in server.log())


def test_it_is_not_ready_before_the_application_is_loaded(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        command(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        env=environment(
            PORT=str(free_port()), MANAGEMENT_PORT=str(port), **slow_application(tmp_path, 2)
        ),
    )  # fmt: skip
    server = Server(process, 0, port, tmp_path / "none")
    answers: list[Answer] = []

    def answered() -> bool:
        try:
            answers.append(server.manage("/readyz"))
            return True
        except OSError:
            return False

    try:
        until("health answers", answered)
        assert answers[0].status == 503
        assert answers[0].body == b"not ready: no worker has loaded the application yet\n"
        assert server.manage("/startupz").status == 503
        assert server.manage("/livez").status == 200
        until("ready", server.is_ready)
        assert server.manage("/startupz").status == 200
    finally:
        server.stop()
