"""MAX_REQUESTS: a worker is replaced after so many requests, and nobody outside notices."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.probing import errors, probing, records_in
from tests.serving_process import Server, at_full_speed, own_application, serving, until
from traffic import SLOW_MS

pytestmark = pytest.mark.long

LONGEST_WAIT_SECONDS = 1.5
"""Of any request, from when it was due. A replacement that loads shares two cores with the rest; a gap in which nobody
accepts would last as long as the application takes to load, which is three seconds here."""
SLOW_TO_LOAD = "import time; time.sleep(3)\nfrom app import create_app\napp = create_app()\n"
QUICK = "import os, flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return str(os.getpid())\n"
LOADS_IN_TWO_SECONDS = f"import time; time.sleep(2)\n{QUICK}"


@dataclass
class Readiness:
    """What /readyz answered, asked all the time."""

    answers: int = 0
    refusals: list[str] = field(default_factory=list)


@contextmanager
def watched(server: Server) -> Iterator[Readiness]:
    """Ask /readyz fifty times a second in the block."""
    seen, over = Readiness(), threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            answer = server.manage("/readyz")
            seen.answers += 1
            if answer.status != 200:
                seen.refusals.append(answer.body.decode())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def starts(server: Server) -> int:
    """Workers that have been started."""
    return int(server.metrics()["nodrop_worker_starts_total"])


def replace(server: Server, number: int, timeout: float = 60.0) -> None:
    """Wait until so many more workers have been started."""
    first = starts(server)
    until(f"{number} workers are replaced", lambda: starts(server) >= first + number, timeout=timeout)


@pytest.mark.alone
@pytest.mark.parametrize(
    "variables", [{}, {"WEB_CONCURRENCY": "2"}, {"SERVER": "gthread"}], ids=["one", "two", "gthread"]
)
def test_no_request_is_lost_or_late_while_workers_are_replaced(tmp_path: Path, variables: dict[str, str]) -> None:
    application = {**own_application(tmp_path, SLOW_TO_LOAD), "LOAD_ENDPOINTS": "1"}
    limits = {"MAX_REQUESTS": "300", "MAX_REQUESTS_JITTER": "50"}
    with (
        at_full_speed(),
        serving(tmp_path, **limits, **application, **variables) as server,
        watched(server) as readiness,
    ):
        with (
            probing(server.port, tmp_path / "new", kind="new", rate=60),
            probing(server.port, tmp_path / "keep-alive", kind="keep-alive", rate=60),
            # In flight all the time, so that each replacement finds some.
            probing(server.port, tmp_path / "slow", kind="slow", rate=3),
        ):
            replace(server, 3)
            until("the last one serves", lambda: server.metrics()["nodrop_workers_ready"] >= 1)
            time.sleep(2)
        for kind, allowed in (("new", 0.0), ("keep-alive", 0.0), ("slow", SLOW_MS / 1000)):
            records = records_in(tmp_path / kind)
            assert errors(records) == {}
            longest = max(record.done - record.scheduled for record in records) - allowed
            print(f"{kind}: {len(records)} requests, the longest {longest * 1000:.0f} ms late")
            assert longest < LONGEST_WAIT_SECONDS
    assert readiness.refusals == []
    assert readiness.answers > 100


def test_as_many_workers_are_left_as_are_configured(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_REQUESTS="5", WEB_CONCURRENCY="2", **own_application(tmp_path, QUICK)) as server:
        for _ in range(4):
            for _ in range(20):
                server.get("/")
            time.sleep(1)

        def settled() -> bool:
            before = starts(server)
            time.sleep(3)
            # Else one is being replaced, for however long that takes.
            is_whole = len(living(server)) == 2 and server.metrics()["nodrop_workers_ready"] == 2
            return is_whole and starts(server) == before

        until("the last one is replaced", settled, timeout=60)
        assert starts(server) > 2
        until("those that were replaced have ended", lambda: len(living(server)) == 2)
        time.sleep(2)
        assert len(living(server)) == 2
        assert server.metrics()["nodrop_workers_ready"] == 2
        assert server.stop() == 0


def test_the_option_of_gunicorn_means_the_same(tmp_path: Path) -> None:
    variables = {**own_application(tmp_path, QUICK), "GUNICORN_CMD_ARGS": "--max-requests 2"}
    with serving(tmp_path, **variables) as server:
        first = server.get("/").body
        server.get("/")
        until("another worker answers", lambda: server.get("/").body != first)
        until("the first says so", lambda: "requests (MAX_REQUESTS), stopping" in server.log_file.read_text())


def test_a_worker_is_never_replaced_by_default(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, QUICK)) as server:
        assert len({server.get("/").body for _ in range(100)}) == 1
        time.sleep(1.5)
        assert starts(server) == 1


# --- Replacements that fail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failing",
    ["raise RuntimeError('the database is down')", "import gone", "os.kill(os.getpid(), 9)", "raise SystemExit(3)"],
    ids=["raises", "cannot-be-imported", "is-killed", "exits"],
)
def test_a_replacement_that_fails_to_load_leaves_the_old_worker_serving(tmp_path: Path, failing: str) -> None:
    with serving(tmp_path, MAX_REQUESTS="3", **own_application(tmp_path, QUICK)) as server:
        with watched(server) as readiness:
            old = server.get("/").body
            (tmp_path / "own.py").write_text(f"import os\n{failing}\n")
            for _ in range(5):
                server.get("/")

            def told() -> bool:
                return any("could not start: serving on" in entry["message"] for entry in server.log())

            until("it is told", told)
            assert {server.get("/").body for _ in range(20)} == {old}
            time.sleep(2)
            # One attempt, and no other until a minute is over.
            assert starts(server) == 2
            assert len(living(server)) == 1
        assert readiness.refusals == []
        assert server.stop() == 0


def test_a_worker_that_is_killed_while_its_replacement_loads_is_replaced_by_it_alone(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_REQUESTS="3", **own_application(tmp_path, LOADS_IN_TWO_SECONDS)) as server:
        (old,) = living(server)
        for _ in range(5):
            server.get("/")
        until("the replacement loads", lambda: starts(server) == 2)
        os.kill(old, signal.SIGKILL)
        until("the replacement serves", server.is_ready)
        time.sleep(1.5)
        assert starts(server) == 2
        assert len(living(server)) == 1


def test_an_operators_reload_while_a_replacement_loads_leaves_as_many_workers_as_configured(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_REQUESTS="3", **own_application(tmp_path, LOADS_IN_TWO_SECONDS)) as server:
        for _ in range(5):
            server.get("/")
        until("the replacement loads", lambda: starts(server) == 2)
        server.process.send_signal(signal.SIGHUP)
        until("the new one is there", lambda: starts(server) >= 3)
        until("it serves", lambda: server.metrics()["nodrop_workers_ready"] >= 1)
        until("one is left", lambda: len(living(server)) == 1)
        time.sleep(2)
        assert len(living(server)) == 1
        assert server.get("/").status == 200


def test_a_stop_while_a_replacement_loads_is_a_stop(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_REQUESTS="3", **own_application(tmp_path, LOADS_IN_TWO_SECONDS)) as server:
        for _ in range(5):
            server.get("/")
        until("the replacement loads", lambda: starts(server) == 2)
        assert server.stop(timeout=10) == 0


def living(server: Server) -> list[int]:
    """The workers that live, by process id."""
    return [pid for pid in server.workers() if Path(f"/proc/{pid}").exists()]
