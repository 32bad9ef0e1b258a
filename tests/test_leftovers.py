"""What an earlier container, or a neighbour in the pod, has left in memory does not stop or delay a start."""

import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nodrop.system import runtime_folder as folders
from nodrop.system.runtime_folder import runtime_folder
from tests.serving_process import environment, free_port, is_held, request, until

LEFTOVER = "nodrop-left"


def fifo_as_lock(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "lock")


def folder_as_lock(folder: Path) -> None:
    (folder / "lock" / "deep").mkdir(parents=True)
    (folder / "lock" / "deep" / "file").touch()


def link_as_lock(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").symlink_to("/etc/hostname")


def device_as_lock(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").symlink_to("/dev/tty")


def no_lock(folder: Path) -> None:
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics" / "counter_1.db").write_bytes(bytes(4096))
    os.mkfifo(folder / "metrics" / "pipe")
    (folder / "metrics" / "link").symlink_to("/etc")


def fifo(folder: Path) -> None:
    os.mkfifo(folder)


def file(folder: Path) -> None:
    folder.touch()


def link(folder: Path) -> None:
    target = folder.parent / "elsewhere"
    target.mkdir()
    (target / "kept").touch()
    folder.symlink_to(target)


def without_permission(folder: Path) -> None:
    folder.mkdir(mode=0)


REMOVED = [fifo_as_lock, folder_as_lock, link_as_lock, device_as_lock, no_lock]
LEFT_ALONE = [fifo, file, link]


@pytest.mark.alone
@pytest.mark.parametrize("leave", [*REMOVED, *LEFT_ALONE, without_permission], ids=lambda leave: leave.__name__)
@pytest.mark.timeout(10)
def test_no_leftover_stops_or_delays_a_start(tmp_path: Path, leave: Callable[[Path], None]) -> None:
    """Garbage of this user's is removed, what is no folder is left where it is, and no link is followed."""
    leave(tmp_path / LEFTOVER)
    began = time.monotonic()
    new = runtime_folder(tmp_path)
    assert time.monotonic() - began < 0.5
    assert is_held(new)
    if leave in REMOVED:
        assert not (tmp_path / LEFTOVER).exists()
    elif leave in LEFT_ALONE:
        assert os.path.lexists(tmp_path / LEFTOVER)
    if leave is link:
        assert (tmp_path / "elsewhere" / "kept").exists()
    assert Path("/etc/hostname").exists()


@pytest.mark.timeout(10)
def test_a_folder_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo_as_lock(tmp_path / LEFTOVER)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    runtime_folder(tmp_path)
    assert (tmp_path / LEFTOVER).exists()


def test_a_folder_that_a_server_is_just_making_is_left_alone_and_an_old_one_is_not(tmp_path: Path) -> None:
    for name, age in (("young", 0.0), ("old", 2 * folders.YOUNG_SECONDS)):
        folder = tmp_path / f".nodrop-{name}"
        folder.mkdir()
        os.utime(folder, (time.time() - age, time.time() - age))
    runtime_folder(tmp_path)
    assert (tmp_path / ".nodrop-young").exists()
    assert not (tmp_path / ".nodrop-old").exists()


def test_a_folder_that_is_too_large_to_remove_at_once_is_removed_by_later_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LEFTOVER).mkdir()
    for number in range(2000):
        (tmp_path / LEFTOVER / str(number)).touch()
    # Each look at the clock takes a millisecond, and there is one for each file.
    clock = itertools.count(step=0.001)
    monkeypatch.setattr(folders, "time", SimpleNamespace(monotonic=lambda: next(clock), time=time.time))
    runtime_folder(tmp_path)
    assert 900 < len(list((tmp_path / LEFTOVER).iterdir())) < 1100
    monkeypatch.undo()
    runtime_folder(tmp_path)
    assert not (tmp_path / LEFTOVER).exists()


def test_a_lock_that_is_held_keeps_the_folder(tmp_path: Path) -> None:
    (tmp_path / LEFTOVER).mkdir()
    with (tmp_path / LEFTOVER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runtime_folder(tmp_path)
        assert is_held(tmp_path / LEFTOVER)
    assert not is_held(tmp_path / LEFTOVER)


def test_memory_that_others_have_filled_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MEMORY_NEEDED", 1 << 60)
    assert folders.memory_folder() != folders.MEMORY


def test_a_server_starts_at_once_beside_every_kind_of_leftover(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    for number, leave in enumerate([*REMOVED, *LEFT_ALONE, without_permission]):
        leave(memory / f"nodrop-{number}")
    # As the command gunicorn does, with another folder in memory: others have servers in the real one.
    start = f"""
import pathlib, runpy, sys
from nodrop.system import runtime_folder
runtime_folder.MEMORY = pathlib.Path({str(memory)!r})
runtime_folder.MEMORY_NEEDED = 0
sys.argv = ["gunicorn", "--config", "python:nodrop.gunicorn"]
runpy.run_module("gunicorn", run_name="__main__")
"""
    port, management_port = free_port(), free_port()
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-c", start], cwd=tmp_path, stdout=log, stderr=log,
        env=environment(PORT=str(port), MANAGEMENT_PORT=str(management_port)),
    )  # fmt: skip
    try:

        def ready() -> bool:
            try:
                return request(management_port, "/readyz").status == 200
            except OSError:
                return False

        until("ready", ready)
        assert len([folder for folder in memory.glob("nodrop-*") if folder.is_dir() and is_held(folder)]) >= 1
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
        log.close()
    assert not {folder.name for folder in memory.glob("nodrop-[0-4]")}
