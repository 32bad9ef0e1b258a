"""The image run as restricted as a pod: how the engine is asked, and what is said of files that can't be written to."""

import re
from pathlib import Path, PurePosixPath

import pytest

from delivery.development.errors import DevelopmentError
from delivery.development.strict import container
from delivery.development.strict.advice import advise
from delivery.development.strict.container import Strict, command, serve
from tests.images.applications import write
from tests.serving_process import ROOT

VALUES = (ROOT / "charts" / "flask-app" / "values.yaml").read_text()

DOCKER = """#!/bin/sh
echo "$@" >> "$ASKED"
env > "$ASKED.environment"
while [ $# -gt 0 ]; do [ "$1" != --env-file ] || { ls -l "$2"; cat "$2"; } > "$ASKED.file"; shift; done
tail -n 1 "$ASKED" | grep -q "^run --rm --name" && echo "OSError: [Errno 30] Read-only file system: 'cache'" && exit 3
exit 0
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in which a program in the engine's place writes its arguments, a call a line."""
    write(tmp_path, {"docker": DOCKER}).joinpath("docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return tmp_path / "asked"


def test_the_container_has_what_the_chart_gives_a_pod() -> None:
    asked = command("name", Strict("shop:dev", port=8000), {}, Path("variables.env"))
    for options in ("--read-only", f"--user {container.USER}", "--cap-drop ALL", "--security-opt no-new-privileges"):
        assert f" {options} " in " ".join(asked)
    assert "127.0.0.1:8000:5000" in asked
    assert {"PORT=5000", "MANAGEMENT_PORT=5001", "HOME=/tmp"} <= set(asked)
    user, group = (re.search(rf"(?m)^  {name}: (\d+)$", VALUES) for name in ("runAsUser", "runAsGroup"))
    assert user
    assert group
    assert f"{user[1]}:{group[1]}" == container.USER
    assert f"tmpSizeLimit: {container.TMP_SIZE.upper()}i\n" in VALUES
    assert f"gracefulTimeoutSeconds: {container.GRACEFUL_SECONDS}\n" in VALUES


def test_values_of_variables_are_not_on_the_command_line_and_ports_can_t_be_moved(asked: Path) -> None:
    serve(Strict("shop:dev", variables={"SECRET_KEY": "hunter2", "HOME": "/data", "PORT": "80", "KEY": "a\nb"}))
    [run] = asked.read_text().splitlines()
    assert "hunter2" not in run
    assert "HOME=/tmp" not in run
    assert "--env PORT=5000" in run
    assert "--env KEY --env" in run
    listed, *given = asked.with_suffix(".file").read_text().splitlines()
    assert listed.startswith("-rw-------")
    assert given == ["SECRET_KEY=hunter2", "HOME=/data", "PORT=80"]
    assert "KEY=a\nb\n" in asked.with_suffix(".environment").read_text()
    assert not list(container.RUN.glob("*.env"))


def test_no_variable_of_the_application_decides_what_the_engine_s_client_runs(asked: Path) -> None:
    hostile = {"PATH": "/srv/bin", "LD_PRELOAD": "./evil.so", "DOCKER_HOST": "tcp://evil.example", "GODEBUG": "x"}
    serve(Strict("shop:dev", variables=hostile))
    environment = asked.with_suffix(".environment").read_text()
    assert not [name for name, value in hostile.items() if f"{name}={value}\n" in environment]
    with pytest.raises(DevelopmentError, match="DOCKER_HOST has a value of several lines"):
        serve(Strict("shop:dev", variables={"DOCKER_HOST": "tcp://evil.example\n"}))


def test_writable_folders_are_volumes_of_the_server_s_user_and_are_removed(asked: Path) -> None:
    serve(Strict("shop:dev", writable=("/srv/instance", "/srv/up loads")))
    prepare, run, remove = asked.read_text().splitlines()
    assert prepare.endswith("--entrypoint chown shop:dev -R 10001:10001 /srv/instance /srv/up loads")
    volumes = re.findall(r"--volume (strict-\w+-\d):", run)
    assert len(volumes) == 2
    assert remove == f"volume rm --force {' '.join(volumes)}"


def test_a_folder_that_can_t_be_written_to_is_told_once_at_once_and_again_at_the_end(
    asked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert serve(Strict("shop:dev")) == 3
    said = capfd.readouterr()
    assert "[Errno 30]" in said.out
    assert said.err.count('writable = ["cache"]') == 2
    assert len(asked.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("OSError: [Errno 30] Read-only file system: '/srv/instance'", "instance"),
        ("OSError: [Errno 30] Read-only file system: 'var/cache/page.html'", "var/cache"),
        ("PermissionError: [Errno 13] Permission denied: '/var/lib/shop'", "/var/lib/shop"),
        ("OSError: [Errno 30] Read-only file system: 'shop.log'", "data"),
        (r'{"traceback": "OSError: [Errno 30] Read-only file system: \"/srv/uploads\""}', "uploads"),
    ],
)
def test_the_line_to_write_names_the_folder(line: str, key: str) -> None:
    advice = advise(line)
    assert f'writable = ["{key}"] in flask-app.toml' in advice
    assert "/tmp" in advice


def test_a_folder_of_a_repository_that_is_a_package_is_named_as_the_repository_has_it() -> None:
    line = "OSError: [Errno 30] Read-only file system: '/srv/shop/uploads'"
    assert 'writable = ["uploads"]' in advise(line, PurePosixPath("/srv/shop"))


def test_sqlite_which_names_no_path_is_told_too_and_other_lines_are_not() -> None:
    assert "SQLite can't write" in advise("sqlite3.OperationalError: attempt to write a readonly database")
    assert advise("GET /read-only 200") == ""
