"""What processes use, as the kernel tells it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from delivery.sizing.measuring import processes

MIB = 1 << 20
BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
SAY_AND_WAIT = "print('done', flush=True)\ninput()\n"


@contextmanager
def python(source: str) -> Iterator[int]:
    """A Python process that has run this source, and waits."""
    # Without coverage, which takes time and memory of its own.
    with subprocess.Popen(
        [sys.executable, "-c", source + SAY_AND_WAIT],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
        yield process.pid
        process.communicate("\n")


def test_the_cpu_time_of_a_process_and_of_its_ended_children_counts() -> None:
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(seconds=0.2)!r}])\n"
    with python(child + BURN.format(seconds=0.1)) as pid:
        used = processes.usage(pid)
        assert used is not None
        # Both, and two starts of Python.
        assert 0.28 <= used.cpu < 0.6


def test_the_memory_of_a_process_and_its_living_child_counts_and_the_peak_is_above_it() -> None:
    child = "x = bytearray(b'x') * 50_000_000\n"
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child + SAY_AND_WAIT!r}], stdin=subprocess.PIPE, "
        "stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "y = bytearray(b'x') * 100_000_000\n"
        "del y\n"
    )
    with python(parent) as pid:
        memory = processes.memory(pid)
        assert memory is not None
        # 50 MB are 48 MiB, beside two Pythons; 100 MB are 95 MiB.
        assert 48 * MIB <= memory.pss < 90 * MIB
        assert 90 * MIB <= memory.peak - memory.pss < 105 * MIB


def test_a_process_that_is_gone_uses_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert processes.usage(process.pid) == processes.Usage(0.0, 0.0)
    assert processes.memory(process.pid) is None


def test_without_proc_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.usage(1) is None
    assert processes.memory(1) is None
    assert processes.idle_cores(lambda: None, tmp_path / "stat") is None


def test_idle_cores_are_counted_while_something_else_happens(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    # user nice system idle iowait irq softirq steal guest guest_nice
    stat.write_text("cpu  100 0 0 100 0 0 0 0 0 0\n")
    cores = processes.idle_cores(lambda: stat.write_text("cpu  150 0 10 130 10 0 0 0 0 0\n"), stat, cores=4)
    # 60 ticks busy and 40 idle
    assert cores == pytest.approx(1.6)


def test_the_wait_for_a_cpu_never_shrinks() -> None:
    """A thread that ends takes its wait with it."""
    assert processes.Usage(2.0, 1.0).since(processes.Usage(1.0, 3.0)) == processes.Usage(1.0, 0.0)


def test_the_wait_for_a_cpu_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tmp_path / "1" / "task" / "7"
    task.mkdir(parents=True)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").touch()
    (task / "schedstat").write_text("1000000000 250000000 12\n")
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(processes, "tree", lambda _: [1])
    used = processes.usage(0)
    assert used is not None
    assert used.delay == 0.25
