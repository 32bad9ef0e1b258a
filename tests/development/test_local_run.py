"""`make run` and `make dev` of a repository: served in its own folder, by its own environment, and left as it was."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from delivery.detection.description import Description, Process, Role
from delivery.development.environment import Environment
from delivery.development.local import DEVELOPMENT_SERVER, SERVER, local
from delivery.development.make import exported, without_make
from tests.development.applications import SHOP, described, everything_in, write
from tests.serving_process import ROOT, Server, at_full_speed, environment, free_port, until

SAVED_SECONDS = 1.0
START = """
import json, sys
from pathlib import Path
from delivery.detection.description import Process, Role
from delivery.development.local import Local, become, serve_with_workers
folder, variables, command, workers = json.loads(sys.argv[1])
start = Local(Path(folder), variables)
if not workers:
    become(start, command)
processes = tuple(Process(name, Role(role), line, "Procfile:1") for name, role, line in workers)
sys.exit(serve_with_workers(start, command, processes))
"""


@contextmanager
def serving(description: Description, log: Path, command: list[str] = SERVER, **given: str) -> Iterator[Server]:
    """The application of a description, served from the environment of these tests."""
    port, management = free_port(), free_port()
    own = environment(MANAGEMENT_PORT=str(management))
    made = Environment(Path(sys.prefix))
    start = local(description, made, given=given, own=own, port=port)
    workers = [(each.name, each.role.value, each.command) for each in description.surroundings.processes]
    arguments = json.dumps([str(start.folder), start.variables, command, workers])
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", START, arguments],
            cwd=ROOT, env={**own, "PYTHONPATH": f"{ROOT}:{ROOT}/scripts"}, stdout=file, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, management, log)
    try:
        until("it answers", lambda: answer(server) != {} or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def answer(server: Server) -> dict[str, str | None]:
    """What `/` answers; empty while nobody does."""
    try:
        found: dict[str, str | None] = server.get("/").json()
    except (OSError, HTTPException, ValueError):
        return {}
    return found


def test_the_variables_on_makes_command_line_are_not_the_applications(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "MAKEFLAGS += --no-print-directory\nshow:\n"
        f"\t@{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'\n"
    )
    line = [
        "make",
        "--no-print-directory",
        "-C",
        str(tmp_path),
        "show",
        "APP=../my shop",
        "NAME=a$$b NOT_MINE=1",
        "IMAGE=x",
        "ENV_FILE=p\\q",
    ]
    asked = subprocess.check_output(line, env={**os.environ, "OWN": "1", "IMAGES": "2"}, text=True)
    start = local(described(tmp_path), Environment(Path(sys.prefix)), given={}, own=json.loads(asked))
    assert not start.variables.keys() & {"APP", "NAME", "IMAGE", "ENV_FILE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    assert (start.variables["OWN"], start.variables["IMAGES"]) == ("1", "2")


def test_a_variable_of_the_shell_stays_without_make() -> None:
    assert without_make({"APP": "1", "MAKEFLAGS": " -- APP=1"}) == {"APP": "1", "MAKEFLAGS": " -- APP=1"}
    assert exported("k -j4 -- A=1\\ B=2 C:=3") == {"A", "C"}
    assert exported("kw") == set()


@pytest.mark.parametrize("command", [SERVER, DEVELOPMENT_SERVER], ids=["run", "dev"])
def test_it_is_served_in_its_own_folder_and_nothing_is_written_there(tmp_path: Path, command: list[str]) -> None:
    repository = write(tmp_path / "my-shop", shop=SHOP, prices="PRICE = 1\n")
    before = everything_in(repository)
    with serving(described(repository), tmp_path / "log", command, GREETING="hello") as server:
        assert answer(server) == {"says": "one", "greeting": "hello", "folder": str(repository)}
    assert everything_in(repository) == before


def test_modules_are_imported_from_its_root(tmp_path: Path) -> None:
    repository = write(tmp_path / "my-shop", src__shop=SHOP)
    with serving(described(repository, root="src"), tmp_path / "log") as server:
        assert answer(server) == {"says": "one", "greeting": None, "folder": str(repository)}


def test_a_repository_that_is_a_package_is_imported_by_its_name(tmp_path: Path) -> None:
    """As the example is, in the image too."""
    repository = tmp_path / "shop"
    repository.mkdir()
    (repository / "__init__.py").write_text(SHOP)
    with serving(described(repository), tmp_path / "log") as server:
        assert answer(server)["folder"] == str(tmp_path)


@pytest.mark.alone
def test_an_edit_is_served_within_a_second_of_being_saved(tmp_path: Path) -> None:
    repository = write(tmp_path / "my-shop", src__shop=SHOP)
    with at_full_speed(), serving(described(repository, root="src"), tmp_path / "log", DEVELOPMENT_SERVER) as server:
        write(repository, src__shop=SHOP.replace("one", "two"))
        saved = time.monotonic()
        until("the new answer", lambda: answer(server).get("says") == "two")
        seconds = time.monotonic() - saved
        print(f"{seconds:.2f} s")
        assert seconds < SAVED_SECONDS


def test_workers_run_beside_the_server_and_end_with_it(tmp_path: Path) -> None:
    works = "import os, time\nprint('works with', os.environ['GREETING'], os.getpid(), flush=True)\ntime.sleep(60)\n"
    processes = (
        Process("queue", Role.WORKER, "python work.py", "Procfile:2"),
        Process("nightly", Role.JOB, "python nightly.py", "flask-app.toml", "0 3 * * *"),
    )
    repository = write(tmp_path / "my-shop", shop=SHOP, work=works)
    with serving(described(repository, processes=processes), tmp_path / "log", GREETING="hello") as server:
        until("the worker works", lambda: "works with hello" in server.log_file.read_text())
    log = (tmp_path / "log").read_text()
    worker = re.search(r"queue.*works with hello (\d+)", log)
    assert worker
    until("the worker has ended", lambda: not Path(f"/proc/{worker[1]}").exists())
    assert "nightly" not in log


def test_the_shell_takes_precedence_over_the_env_file(tmp_path: Path) -> None:
    start = local(
        described(tmp_path), Environment(tmp_path / "venv"), given={"GREETING": "file", "ONLY": "file"},
        own={"GREETING": "shell", "PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert (start.variables["GREETING"], start.variables["ONLY"]) == ("shell", "file")
    assert start.variables["PATH"] == f"{tmp_path}/venv/bin:/usr/bin"
    # With the prefix, byte code is written elsewhere.
    assert "PYTHONDONTWRITEBYTECODE" not in start.variables
