"""`nodrop reload`: a running server loads the application anew, and nobody outside notices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodrop.server import reload as reloading
from nodrop.server.reload import NotServing, ReloadError, find_server, servers
from nodrop.server.replacement import FOLDER, Replacements
from nodrop.system.runtime_folder import MASTER_FILE
from tests.probing import errors, probing, records_in
from tests.serving_process import Server, at_full_speed, environment, own_application, serving, until

CODE = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return 'SAYS'\n"
LOADS_IN_A_SECOND = "import time; time.sleep(1)\nfrom app import create_app\napp = create_app()\n"


def write(folder: Path, says: str) -> dict[str, str]:
    """The variables of an application that answers `says`."""
    return own_application(folder, CODE.replace("SAYS", says))


def reload(server: Server) -> subprocess.CompletedProcess[str]:
    """Run `nodrop reload` for this server."""
    command = [sys.executable, "-m", "nodrop", "reload", "--master", str(server.process.pid)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, check=False)


def living(server: Server) -> list[int]:
    """The workers that live, by process id."""
    return [pid for pid in server.workers() if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("variables", [{"WEB_CONCURRENCY": "2"}, {"SERVER": "gthread"}], ids=["two", "gthread"])
def test_every_worker_serves_the_new_code_when_the_command_has_ended(tmp_path: Path, variables: dict[str, str]) -> None:
    with serving(tmp_path, **write(tmp_path, "one"), **variables) as server:
        workers = int(variables.get("WEB_CONCURRENCY", "1"))
        until("all workers serve", lambda: server.metrics()["nodrop_workers_ready"] == workers)
        write(tmp_path, "another")
        done = reload(server)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{workers} worker")
        assert {server.get("/").body for _ in range(20)} == {b"another"}
        until("the old workers have ended", lambda: len(living(server)) == workers)
        assert server.stop() == 0


@pytest.mark.parametrize("failing", ["def (", "import gone", "raise SystemExit(3)"])
def test_code_that_can_not_be_loaded_leaves_the_old_workers_serving(tmp_path: Path, failing: str) -> None:
    with serving(tmp_path, **write(tmp_path, "one")) as server:
        own_application(tmp_path, failing)
        done = reload(server)
        assert done.returncode == 1
        assert done.stderr.startswith("the application can't be loaded: 1 of 1 workers serve on")
        assert {server.get("/").body for _ in range(20)} == {b"one"}
        assert server.is_ready()
        write(tmp_path, "mended")
        assert reload(server).returncode == 0
        assert server.get("/").body == b"mended"


@pytest.mark.alone
def test_no_request_is_lost_or_late_while_the_application_is_loaded_anew(tmp_path: Path) -> None:
    application = {**own_application(tmp_path, LOADS_IN_A_SECOND), "LOAD_ENDPOINTS": "1"}
    with at_full_speed(), serving(tmp_path, **application) as server:
        with (
            probing(server.port, tmp_path / "new", kind="new", rate=60),
            probing(server.port, tmp_path / "keep-alive", kind="keep-alive", rate=60),
        ):
            for _ in range(2):
                assert reload(server).returncode == 0
        for kind in ("new", "keep-alive"):
            records = records_in(tmp_path / kind)
            assert errors(records) == {}
            # With SIGHUP they wait for as long as the application takes to load.
            assert max(record.done - record.scheduled for record in records) < 0.8


def test_a_worker_that_ends_leaves_the_replacement_of_another_alone(tmp_path: Path) -> None:
    """As when the first one still has a request in flight while the second one is replaced."""
    replacements, folder = Replacements(tmp_path), tmp_path / FOLDER
    for number, pid in ((3, 1), (4, 2)):
        (folder / str(pid)).touch()
        replacements.number_changed(number, number - 1, {1, 2})
    assert replacements.next_replaces() == 1
    assert replacements.worker_gone(1, 0, is_serving=lambda _: True)
    replacements.number_changed(3, 4, {2})
    assert (folder / "2").exists()
    assert replacements.next_replaces() == 2
    # The next change of the number is an operator's again.
    replacements.number_changed(2, 3, {2})
    assert not (folder / "2").exists()


def test_a_server_that_does_not_run_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, **write(tmp_path, "one")) as server:
        server.stop()
        done = reload(server)
        assert done.returncode == 1
        assert done.stderr.startswith(f"no server of nodrop with the process id {server.process.pid} runs here: start")


def test_where_several_servers_run_the_choice_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two = [reloading.Server(11, tmp_path), reloading.Server(12, tmp_path)]
    monkeypatch.setattr(reloading, "servers", lambda: two)
    with pytest.raises(ReloadError, match="2 servers of nodrop run here: choose one with --master 11 or --master 12"):
        find_server()
    assert find_server(12) is two[1]


def test_a_server_that_starts_or_has_ended_is_not_among_those_that_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("starts", "ended", "runs"):
        (tmp_path / name).mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "ended" / MASTER_FILE).write_text(str(ended.pid))
    (tmp_path / "runs" / MASTER_FILE).write_text(str(os.getpid()))
    monkeypatch.setattr(reloading, "living_servers", lambda: sorted(tmp_path.iterdir()))
    assert servers() == [reloading.Server(os.getpid(), tmp_path / "runs")]


def test_where_no_worker_serves_yet_there_is_nothing_to_replace(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    with pytest.raises(NotServing, match="no worker serves yet"):
        reloading.reload(reloading.Server(os.getpid(), tmp_path))
