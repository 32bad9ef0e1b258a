"""What `make new`, `make eject` and `make update` say, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.detection.description import Problem, Undecided
from delivery.ejection import __main__ as command
from delivery.ejection.eject import Ejected
from delivery.ejection.refusal import Refused
from delivery.ejection.update import Updated
from tests.serving_process import ROOT
from tests.template.repositories import described

FILES = ("Dockerfile", "deploy/chart/Chart.yaml", "deploy/chart/values.yaml", "deploy/values.yaml")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is detected."""
    monkeypatch.setattr(command, "detect", lambda folder, _: described(folder))


def outcome(monkeypatch: pytest.MonkeyPatch, name: str, given: object) -> None:
    """Have a command end so."""

    def end(*_: object, **__: object) -> object:
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr(command, name, end)


def test_new_says_how_the_application_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "new", ("app.py", "requirements.txt"))
    assert command.main(["new", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote to {tmp_path}:\n  app.py\n  requirements.txt\n")
    assert f"make up APP={tmp_path}" in said


def test_eject_lists_the_files_and_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "eject", Ejected(FILES, ("Do this.", "Do that.")))
    assert command.main(["eject", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        f"Wrote to {tmp_path}:\n  Dockerfile\n  deploy/values.yaml\n  deploy/chart/ (2 files)\n"
        "\nDo this.\nDo that.\n\nCommit these files. deploy/README.md says how to build and deploy with them.\n"
    )


def test_an_update_that_changes_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "update", Updated((), (), ()))
    assert command.main(["update", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path} is up to date\n"


def test_an_update_says_how_it_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "update", Updated(FILES, (), ()))
    assert command.main(["update", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Changed in {tmp_path}:\n  Dockerfile\n")
    assert command.UNDO in said


def test_an_update_with_conflicts_ends_with_1_and_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "update", Updated(FILES, ("Dockerfile",), ()))
    assert command.main(["update", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "change the same lines of:\n  Dockerfile\n" in said
    assert command.UNDO in said


def test_a_refusal_ends_with_1_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, "eject", Refused("there are files: FORCE=true"))
    assert command.main(["eject", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", "there are files: FORCE=true\n")


def test_what_is_undecided_ends_with_2_and_the_line_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undecided = Undecided(Problem("two applications", "choose one", line='serve = "shop:app"'))
    outcome(monkeypatch, "detect", undecided)
    assert command.main(["eject", str(tmp_path)]) == 2
    assert 'serve = "shop:app"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("", "APP is not set"),
        ("/nowhere", "is not a folder"),
        ("https://example.com/shop.git", "clone the repository"),
        (str(ROOT / "app"), "inside of this checkout"),
    ],
)
def test_an_app_that_is_no_folder_of_its_own_is_refused(
    app: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["eject", app]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.long
def test_what_this_checkout_detects_and_locks_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    shop = tmp_path / "shop"
    assert command.main(["new", str(shop), "--eject"]) == 0
    lock = (shop / "deploy" / "requirements.txt").read_text()
    assert all(f"\n{name}==" in lock for name in ("flask", "gunicorn", "nodrop"))
    assert 'fullnameOverride: "shop"' in (shop / "deploy" / "values.yaml").read_text()
    assert 'WSGI_APP="app:app"' in (shop / "Dockerfile").read_text()
