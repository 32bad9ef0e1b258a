"""What runs in a pod of `make live`: the sidecar that fills the volume, the agent that changes it, the supervisor."""

from __future__ import annotations

import compileall
import io
import json
import os
import py_compile
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from delivery.development.live import start
from delivery.development.live.files import Files
from tests.development.applications import everything_in, write
from tests.serving_process import ROOT, serving, until

LIVE = ROOT / "delivery" / "development" / "live"
ONLY = Path(__file__).parent / "only"
CODE = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return 'SAYS'\n"


def program(name: str, *arguments: Path | float | str) -> list[str]:
    """The command line of one of the programs, as a pod has it."""
    return [sys.executable, "-c", (LIVE / f"{name}.py").read_text(), *map(str, arguments)]


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program that is ended with the block."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


class Agent:
    """The agent of a volume, and this end of its connection."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.files: dict[str, str] = self.answer()["files"]

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def order(self, archive: bytes, deleted: list[str] | None = None, *, reload: bool = False) -> dict[str, Any]:
        """Send files and names; what came of it."""
        assert self._process.stdin
        head = {"size": len(archive), "deleted": deleted or [], "reload": reload}
        self._process.stdin.write(json.dumps(head).encode() + b"\n" + archive)
        self._process.stdin.flush()
        return self.answer()


@contextmanager
def agent(tmp_path: Path, master: int = 0) -> Iterator[Agent]:
    """An agent in the block, of the volume `volume` and of the server with this master."""
    (tmp_path / "volume").mkdir(exist_ok=True)
    (tmp_path / "marker-copied").touch()
    command = program("agent", tmp_path / "volume", tmp_path / "marker", tmp_path / "worker")
    variables = {**os.environ, "PYTHONPATH": f"{ONLY}:{ROOT}", "MASTER": str(master)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield Agent(process)
        finally:
            process.kill()


def packed(folder: Path) -> bytes:
    """The files of a folder, as `make live` sends them."""
    files = Files(folder)
    return files.archive(files.now())


# --- The sidecar ----------------------------------------------------------------------------------------------------


def test_an_edit_is_seen_although_the_image_has_byte_code_that_is_never_checked(tmp_path: Path) -> None:
    image = write(tmp_path / "image", shop="SAYS = 'one'\n", pages__home="SAYS = 'one'\n")
    compileall.compile_dir(image, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    (tmp_path / "volume").mkdir()
    with running(program("start", image, tmp_path / "volume", tmp_path / "marker", 0)):
        until("the application may start", (tmp_path / "marker").exists)
    volume = write(tmp_path / "volume", shop="SAYS = 'two'\n", pages__home="SAYS = 'two'\n")
    seen = [sys.executable, "-B", "-c", "import shop, pages.home; print(shop.SAYS, pages.home.SAYS)"]
    said = subprocess.run(seen, cwd=volume, capture_output=True, text=True, check=True).stdout
    assert said == "two two\n"


def test_the_application_starts_when_the_files_have_come_or_nobody_brings_any(tmp_path: Path) -> None:
    image = write(tmp_path / "image", shop="")
    for name, seconds in (("with", 60), ("without", 0.2)):
        (tmp_path / name).mkdir()
        marker = tmp_path / f"marker-{name}"
        with running(program("start", image, tmp_path / name, marker, seconds)) as process:
            until("the files are there", Path(f"{marker}-copied").exists)
            if name == "with":
                assert not marker.exists()
                marker.touch()
            until("the application may start", marker.exists)
            process.terminate()
            assert process.wait(5) == 0


class _Paused(Exception):
    """The sidecar has nothing more to do."""


def test_a_sidecar_that_is_started_again_leaves_the_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause() -> None:
        raise _Paused

    monkeypatch.setattr(signal, "pause", pause)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    image = write(tmp_path / "image", shop="SAYS = 'one'\n")
    volume = write(tmp_path / "volume", shop="SAYS = 'two'\n")
    (tmp_path / "marker").touch()
    with pytest.raises(_Paused):
        start.main(str(image), str(volume), str(tmp_path / "marker"), "0")
    assert (volume / "shop.py").read_text() == "SAYS = 'two'\n"


def test_there_is_a_place_for_what_is_mounted_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "volume").mkdir()
    places = ("folder:instance/uploads", "file:settings.toml")
    with running(program("start", tmp_path / "image", tmp_path / "volume", tmp_path / "marker", 0, *places)):
        until("it is ready", (tmp_path / "marker").exists)
    assert everything_in(tmp_path / "volume") == {"instance", "instance/uploads", "settings.toml"}


# --- The agent ------------------------------------------------------------------------------------------------------


def test_files_come_change_and_go(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="SAYS = 'one'\n", pages__home="")
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o700)
    (repository / "link.py").symlink_to("shop.py")
    volume = tmp_path / "volume"
    with agent(tmp_path) as there:
        assert there.files == {}
        assert there.order(packed(repository)) == {"reloaded": ""}
        assert (tmp_path / "marker").exists()
        assert (volume / "link.py").read_text() == "SAYS = 'one'\n"
        # Whatever the umask of the checkout, the server's user must be able to read it.
        assert (volume / "run").stat().st_mode & 0o777 == 0o755
        assert there.order(packed(write(tmp_path / "other")), ["pages/home.py", "gone.py"]) == {"reloaded": ""}
        assert not (volume / "pages").exists()
    with agent(tmp_path) as again:
        assert set(again.files) == {"shop.py", "run", "link.py"}


def test_a_path_that_leads_out_of_the_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("../outside"))
    with agent(tmp_path) as there:
        assert "is outside the volume" in there.order(archive.getvalue())["error"]
        assert "is outside the volume" in there.order(packed(write(tmp_path / "empty")), ["../kept"])["error"]
    assert (tmp_path / "kept").exists()
    assert not (tmp_path / "outside").exists()


def test_a_worker_is_started_anew_with_each_change(tmp_path: Path) -> None:
    volume = write(tmp_path / "volume", work="import prices, time\nprint(prices.PRICE, flush=True)\ntime.sleep(60)\n")
    write(volume, prices="PRICE = 1\n")
    (tmp_path / "marker").touch()
    change = write(tmp_path / "change", prices="PRICE = 2\n")
    command = program("supervisor", tmp_path / "worker", sys.executable, "work.py")
    with running(command, cwd=volume, stdout=subprocess.PIPE) as supervisor, agent(tmp_path) as there:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "1\n"
        assert there.order(packed(change), reload=True) == {"reloaded": "worker"}
        assert supervisor.stdout.readline() == "2\n"
        # One that can't start waits for the next change.
        there.order(packed(write(change, prices="PRICE = \n")), reload=True)
        assert "the worker exited with status 1" in supervisor.stdout.readline()
        there.order(packed(write(change, prices="PRICE = 3\n")), reload=True)
        assert supervisor.stdout.readline() == "3\n"
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(5) == 128 + signal.SIGTERM


def test_the_server_loads_a_change_or_serves_on_and_says_so(tmp_path: Path) -> None:
    volume = write(tmp_path / "volume", shop=CODE.replace("SAYS", "one"))
    (tmp_path / "marker").touch()
    with (
        serving(tmp_path, WSGI_APP="shop:app", PYTHONPATH=f"{ROOT}:{volume}") as server,
        agent(tmp_path, server.process.pid) as there,
    ):
        change = write(tmp_path / "change", shop=CODE.replace("SAYS", "two"))
        answer = there.order(packed(change), reload=True)
        assert answer == {"reloaded": "server"}
        assert server.get("/").body == b"two"
        answer = there.order(packed(write(change, shop="def (")), reload=True)
        assert answer["error"].startswith("the application can't be loaded")
        assert server.get("/").body == b"two"
