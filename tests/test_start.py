"""What a start costs: in a load step, pods that start take CPU time from those that serve."""

import contextlib
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pod_memory import family
from tests.serving_process import at_full_speed, environment, free_port, starting, until

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]

ROUNDS = 7
MOST = 2.4
"""Times the CPU time of importing Flask and binding a socket. Measured 1.9 to 2.1, on a machine with four times the
work that it has processors for; 2.9 while the management process was a Python of its own."""
FLASK_AND_BIND = """
import flask, socket
flask.Flask("shop")
socket.create_server(("127.0.0.1", {port}))
print(flush=True)
input()
"""


def cpu_seconds(pid: int) -> float:
    """The CPU time of the threads that the process has."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total / 1e9


def of_flask_and_bind() -> float:
    """The CPU time of a process that imports Flask, makes an application and binds a socket."""
    code = FLASK_AND_BIND.format(port=free_port())
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "\n"
        seconds = cpu_seconds(process.pid)
        process.communicate("\n")
    return seconds


def of_start(folder: Path) -> float:
    """The CPU time of all processes of a server with the example, until it is ready and has nothing more to do."""
    with starting(folder) as server:
        until("the server is ready", server.is_ready)
        assert server.get("/").status == 200
        time.sleep(0.5)
        return sum(map(cpu_seconds, family(server.process.pid)))


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="CPU time is read from /proc, as Linux has it")
def test_a_start_takes_little_more_cpu_time_than_importing_flask(tmp_path: Path) -> None:
    """By turns, so that what else the machine does counts for both."""
    with at_full_speed():
        # Their byte code is written by the first.
        of_flask_and_bind()
        of_start(tmp_path)
        rounds = [(of_flask_and_bind(), of_start(tmp_path)) for _ in range(ROUNDS)]
    ratio = statistics.median(start / flask for flask, start in rounds)
    print(f"{ratio:.2f}:", *(f"{start * 1000:.0f}/{flask * 1000:.0f}" for flask, start in rounds), "ms")
    assert ratio <= MOST
