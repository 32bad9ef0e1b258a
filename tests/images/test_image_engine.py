"""How the engine is asked to build: a program in its place writes down its arguments and its environment."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from delivery.images.build import build_locked
from delivery.images.errors import ImageError
from delivery.images.folders import alone, own_folder
from tests.images.applications import describe, write

DOCKER = """#!/usr/bin/env python3
import json, os, sys
json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, open(os.environ["ASKED"], "w"))
if "--iidfile" in sys.argv:
    open(sys.argv[sys.argv.index("--iidfile") + 1], "w").write("sha256:0123")
print("#7 [dependencies 5/7] RUN pip")
print("#7 ERROR: exit code: 1" if os.environ.get("FAILS") else "#7 DONE 1.0s")
sys.exit(1 if os.environ.get("FAILS") else 0)
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the engine writes."""
    write(tmp_path, {"bin/docker": DOCKER, "shop/shop.py": "", "lock": "flask==3.1.3 --hash=sha256:aa\n"})
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr("delivery.images.build.CONTEXTS", tmp_path / "context")
    return tmp_path / "asked.json"


def test_an_image_is_built_from_its_context_with_its_arguments(asked: Path, tmp_path: Path) -> None:
    shop = describe(tmp_path / "shop")
    assert build_locked(shop, "shop:dev", tmp_path / "lock", version="1.2", revision="0a1b") == "sha256:0123"
    arguments = json.loads(asked.read_text())["arguments"]
    assert arguments[:5] == ["build", "--progress", "plain", "--tag", "shop:dev"]
    assert {"WSGI_APP=shop:app", "VERSION=1.2", "REVISION=0a1b"} <= set(arguments)
    assert arguments[-1] == str(own_folder(tmp_path / "context", shop))
    assert "--secret" not in arguments


def test_two_applications_of_one_name_have_two_folders(tmp_path: Path) -> None:
    one, two = (describe(write(tmp_path / name, {"shop/shop.py": ""}) / "shop") for name in ("one", "two"))
    assert one.name == two.name
    assert own_folder(tmp_path, one) != own_folder(tmp_path, two)
    assert own_folder(tmp_path, one).name.startswith("shop-")


def test_one_command_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "shop"), (tmp_path / ".shop.lock").open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".shop.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_build_keeps_others_out_of_its_context(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Path] = []

    @contextmanager
    def holding(folder: Path) -> Iterator[Path]:
        assert not asked.exists(), "before the engine reads it"
        held.append(folder)
        yield folder
        assert asked.exists()

    monkeypatch.setattr("delivery.images.build.alone", holding)
    shop = describe(tmp_path / "shop")
    build_locked(shop, "shop:dev", tmp_path / "lock")
    assert held == [own_folder(tmp_path / "context", shop)]


def test_the_address_of_an_index_is_a_secret_and_no_argument(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:hunter2@index.example/simple")
    pip_conf = "[global]\nextra-index-url = https://a.example/simple\n    https://me:hunter3@b.example/simple\n"
    build_locked(describe(tmp_path / "shop"), "shop:dev", tmp_path / "lock", pip_conf=pip_conf)
    found = json.loads(asked.read_text())
    assert "hunter" not in " ".join(found["arguments"])
    secret = found["arguments"][found["arguments"].index("--secret") + 1]
    assert secret.startswith("id=pip.conf,env=")
    content = found["environment"][secret.rpartition("=")[2]]
    assert content == (
        "[global]\nindex-url = https://user:hunter2@index.example/simple\n"
        "extra-index-url = https://a.example/simple https://me:hunter3@b.example/simple\n"
    )


def test_a_build_that_fails_ends_with_the_line_that_explains_it(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(ImageError, match=r"^The dependencies can't be installed: "):
        build_locked(describe(tmp_path / "shop"), "shop:dev", tmp_path / "lock")
    assert "#7 ERROR: exit code: 1" in capfd.readouterr().err
    assert asked.exists()


def test_an_engine_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"shop/shop.py": "", "lock": ""})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("delivery.images.build.CONTEXTS", tmp_path / "context")
    with pytest.raises(ImageError, match="docker is not on PATH: install Docker"):
        build_locked(describe(tmp_path / "shop"), "shop:dev", tmp_path / "lock")
