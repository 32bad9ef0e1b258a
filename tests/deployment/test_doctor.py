"""What this machine lacks is found, with what to do; only what `make up` can't do without makes it fail."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

import cluster
import tools
from delivery.deployment import doctor
from delivery.deployment.doctor import Finding, lines


def command(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has everything; its commands are scripts."""
    command(
        tmp_path,
        "docker",
        'case "$*" in "buildx version") echo buildx v0.13.1 ;; version*) echo 27.0 ;; *MemTotal*) echo 8000000000 ;; '
        f"*Cgroup*) echo 2 ;; *RootDir*) echo {tmp_path} ;; *) echo fine ;; esac",
    )
    command(tmp_path, "make", "echo GNU Make 4.3")
    command(tmp_path, "git", "echo git version 2.39")
    command(tmp_path, "kubectl", "echo kind-flask-app")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tools, "place", lambda name: tmp_path / name)
    monkeypatch.setattr(cluster, "OFFLINE_SETTINGS", tmp_path / "none")
    monkeypatch.setattr(doctor, "DISK_GIB", 0)
    monkeypatch.setattr("sys.argv", ["doctor", "--port", "0"])
    return tmp_path


def test_a_machine_that_has_everything_is_well(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.exists()
    assert doctor.main() == 0
    said = capsys.readouterr().out
    assert "MISSING" not in said
    assert said.startswith("make run, make dev:\n  ok       python")
    assert "\nmake up, in addition:\n  ok       docker           27.0" in said


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("docker", "echo 'permission denied' >&2; exit 1", "does not answer"),
        ("docker", 'case "$*" in *Cgroup*) echo 1 ;; *) echo v0.13 ;; esac', "boot with systemd.unified"),
        ("docker", 'case "$*" in *MemTotal*) echo 1000000000 ;; *) echo v0.13 ;; esac', "give the engine 3 GiB"),
        ("docker", 'case "$1" in buildx) exit 1 ;; *) echo fine ;; esac', "install docker-buildx-plugin"),
        ("make", "echo bmake", "install GNU make"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_with_the_remedy(
    machine: Path, capsys: pytest.CaptureFixture[str], name: str, body: str, said: str
) -> None:
    command(machine, name, body)
    assert doctor.main() == 1
    told = capsys.readouterr().out
    assert "MISSING" in told
    assert said in told


def test_what_only_some_applications_need_is_a_note(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(machine, "git", "exit 1")
    assert doctor.main() == 0
    assert "  note     git              none" in capsys.readouterr().out


def test_a_tool_that_is_not_there_is_fetched_by_who_needs_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.exists()
    monkeypatch.setattr(tools, "place", lambda _: None)
    assert not doctor.tool("helm").fatal


def test_too_little_disk_space_is_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GIB", 1_000_000)
    assert f"free in {machine}" in doctor.disk().found
    assert "docker system prune" in doctor.disk().remedy


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        number = busy.getsockname()[1]
        assert "PORT=<port>" in doctor.port(number).remedy
    assert doctor.port(number).found == "free"


def test_the_findings_can_be_read_by_programs(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.exists()
    monkeypatch.setattr("sys.argv", ["doctor", "--port", "0", "--json"])
    doctor.main()
    found = json.loads(capsys.readouterr().out)
    assert found["make run, make dev"][1] == {"name": "make", "found": "GNU Make 4.3", "remedy": "", "fatal": True}


def test_a_remedy_stands_below_its_finding() -> None:
    text = "\n".join(lines([Finding("docker", "none", "install it")]))
    assert text == "  MISSING  docker           none\n                            => install it"
