"""What is shown while a scenario runs."""

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from harness.cluster.wait import until
from harness.measuring.prober import Prober
from harness.running import progress as progress_module
from harness.running.progress import Progress

ROOT = Path(__file__).resolve().parents[1]


class Said:
    """A prober that has sent and lost so many; raises or hangs instead if told to."""

    def __init__(self, sent: int, failed: int, *, wrong: bool = False, hang: threading.Event | None = None) -> None:
        self.numbers, self.wrong, self.hang = (sent, failed), wrong, hang

    def progress(self) -> tuple[int, int]:
        if self.hang:
            self.hang.wait(30)
        if self.wrong:
            raise OSError("no such pod")
        return self.numbers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERMINAL_SECONDS", "ASK_SECONDS", "LOG_SECONDS"):
        monkeypatch.setattr(progress_module, name, 0.02)


LINE = re.compile(r"rolling update: fault, \d+ s, 150 sent, 2 failed\n")


def test_a_log_gets_whole_lines() -> None:
    log = io.StringIO()
    with Progress("rolling update", lambda: [Said(100, 0), Said(50, 2)], log) as progress:
        progress.phase = "fault"
        until("a line", lambda: LINE.search(log.getvalue()) is not None, timeout=10, interval=0.01)
    assert "\r" not in log.getvalue()
    assert "\x1b" not in log.getvalue()


def test_a_terminal_gets_one_line_that_is_written_over() -> None:
    ours, theirs = os.openpty()
    seen = b""
    with (
        os.fdopen(theirs, "w") as terminal,
        Progress("rolling update " * 20, lambda: [Said(7, 0)], terminal),
    ):
        while seen.count(b"\x1b[2K") < 3:
            seen += os.read(ours, 4096)
    os.close(ours)
    # The terminal makes \r\n of \n: one before and none between.
    assert seen.count(b"\n") == 1
    assert max(map(len, seen.split(b"\r\x1b[2K"))) < 80, "a line that wraps can't be written over"


@pytest.mark.parametrize("probers", [[Said(0, 0, wrong=True)], None])
def test_a_prober_that_cannot_be_asked_fails_nothing(probers: list[Said] | None) -> None:
    log = io.StringIO()
    # None is no list of probers: even what is wrong here stays here.
    asked: Any = lambda: probers  # noqa: E731
    with Progress("x", asked, log):
        if probers:
            until("a line", lambda: "0 sent, 0 failed" in log.getvalue(), timeout=10, interval=0.01)
        else:
            time.sleep(0.1)


def test_what_a_prober_said_last_stands_when_it_is_gone() -> None:
    log, said = io.StringIO(), Said(9, 1)
    with Progress("x", lambda: [said], log):
        until("it was asked", lambda: "9 sent" in log.getvalue(), timeout=10, interval=0.01)
        said.wrong = True
        before = len(log.getvalue())
        until("more lines", lambda: len(log.getvalue()) > before + 200, timeout=10, interval=0.01)
    assert log.getvalue().splitlines()[-1].endswith("9 sent, 1 failed")


def test_a_question_without_an_answer_holds_nothing_up() -> None:
    answer, log = threading.Event(), io.StringIO()
    with Progress("x", lambda: [Said(0, 0, hang=answer)], log):
        time.sleep(0.1)
        left = time.monotonic()
    assert time.monotonic() - left < 5
    answer.set()


def test_a_console_that_is_gone_fails_nothing() -> None:
    closed = io.StringIO()
    closed.close()
    with Progress("x", lambda: [Said(1, 0)], closed):
        time.sleep(0.1)


@pytest.mark.parametrize("capture", ["fd", "sys", "tee-sys", "no"])
def test_it_is_seen_while_pytest_captures(tmp_path: Path, capture: str) -> None:
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        f"sys.path[:0] = {[str(ROOT / 'k8s-tests'), str(ROOT / 'k8s-tests' / 'prober')]!r}\n"
        "from harness.running import progress\n"
        "def pytest_configure(config): config.shown = progress.console()\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import time\n"
        "from harness.running import progress\n"
        "progress.TERMINAL_SECONDS = progress.LOG_SECONDS = 0.02\n"
        "def test_it(pytestconfig):\n"
        "    with progress.Progress('the scenario', list, pytestconfig.shown): time.sleep(0.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--capture={capture}", "-W", "error", tmp_path],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"the scenario: control, \d+ s, 0 sent, 0 failed\n", done.stderr)


# --- The prober's own numbers, through the real client of the API ---------------------------------------------------


@contextmanager
def api(log: str) -> Iterator[tuple[client.CoreV1Api, list[str]]]:
    """An API server whose pods have said `log`, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(log)))
            self.end_headers()
            self.wfile.write(log.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
        try:
            with client.ApiClient(configuration) as api_client:
                yield client.CoreV1Api(api_client), asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("log", "numbers"),
    [
        ("sent 0, failed 0\nsent 250, failed 3\n", (250, 3)),
        ("sent 250, failed 3\nrequest 251: KeyError()\n", (250, 3)),
        ("", (0, 0)),
    ],
)
def test_a_prober_says_what_its_log_said_last(log: str, numbers: tuple[int, int]) -> None:
    with api(log) as (core, asked):
        target: Any = SimpleNamespace(core=core)
        prober = Prober(target, "image", "http://x/", rate=1, kind="new")
        assert prober.progress() == numbers
    assert "tailLines=" in asked[0]
