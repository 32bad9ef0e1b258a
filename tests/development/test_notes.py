"""What was found and should be known is told by the commands of a developer too."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.deployment.prepare import Application
from delivery.development import __main__ as development
from delivery.development.environment import Environment
from delivery.images.lock import Locked
from tests.deployment.fakes import described


def test_run_tells_the_notes_of_detection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(development, "LOCKS", tmp_path / "run")
    monkeypatch.setattr(development, "lock", lambda *_: Locked(tmp_path / "requirements.txt", ()))
    monkeypatch.setattr(development, "environment", lambda *_: Environment(tmp_path / "venv"))
    shop = described(tmp_path, notes=("app.py:4: a word.",))
    shop = replace(shop, dependencies=replace(shop.dependencies, notes=("requirements.txt:1: another.",)))
    development._prepared(Application(shop), argparse.Namespace(env=None, port=5000, address="127.0.0.1"))
    assert capsys.readouterr().err == "note: requirements.txt:1: another.\nnote: app.py:4: a word.\n"
