"""How the engine is asked to build: a program in its place writes down its arguments and its environment."""

import json
from pathlib import Path

import pytest

from delivery.images.build import build_locked
from delivery.images.errors import ImageError
from tests.images.applications import describe, write

DOCKER = """#!/usr/bin/env python3
import json, os, sys
json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, open(os.environ["ASKED"], "w"))
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
    build_locked(describe(tmp_path / "shop"), "shop:dev", tmp_path / "lock", version="1.2", revision="0a1b")
    arguments = json.loads(asked.read_text())["arguments"]
    assert arguments[:5] == ["build", "--progress", "plain", "--tag", "shop:dev"]
    assert {"WSGI_APP=shop:app", "VERSION=1.2", "REVISION=0a1b"} <= set(arguments)
    assert arguments[-1] == str(tmp_path / "context" / "shop")
    assert "--secret" not in arguments


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
