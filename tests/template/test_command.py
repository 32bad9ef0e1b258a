"""What `make new`, `make eject` and `make update` say, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from detection.description import Problem, Undecided
from ejection import __main__ as command
from tests.serving_process import ROOT
from tests.template.repositories import APP, commit, described, parts, write

DOCKERFILE = "template/ejected/[[dockerfile]].jinja"


@pytest.fixture(autouse=True)
def known(nodrop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is detected and locked, which other tests do."""
    monkeypatch.setattr(command, "ROOT", nodrop)
    monkeypatch.setattr(command, "parts", parts)
    monkeypatch.setattr(command, "detect", lambda folder, _: described(folder))


def expose(folder: Path, file: str, ports: str) -> None:
    """Change the line that a conflict is to be about, and commit it."""
    text = (folder / file).read_text()
    (folder / file).write_text(text.replace("EXPOSE 5000 5001\n", f"EXPOSE {ports}\n"))
    commit(folder)


def test_new_writes_an_application_and_with_eject_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = tmp_path / "shop"
    assert command.main(["new", str(shop), "--eject"]) == 0
    said = capsys.readouterr().out
    assert '"name": "shop"' in (shop / "app.py").read_text()
    for line in ("  app.py\n", "  Dockerfile\n", "  deploy/chart/ (3 files)\n", "Commit these files."):
        assert line in said


def test_eject_lists_the_files_and_what_is_left_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"app.py": APP, "requirements.txt": "flask\n", "Makefile": "test:\n"})
    assert command.main(["eject", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote to {tmp_path}:\n  .github/workflows/deploy.yml\n")
    assert "  include deploy/nodrop.mk\n" in said


def test_a_refusal_ends_with_1_and_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"Dockerfile": "FROM scratch\n"})
    assert command.main(["eject", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "FORCE=true" in said.err


def test_an_update_that_changes_nothing_says_so(ejected: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["update", str(ejected)]) == 0
    assert "has what this version writes already" in capsys.readouterr().out


def test_an_update_with_conflicts_ends_with_1_and_lists_them(
    ejected: Path, later: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expose(ejected, "Dockerfile", "8000")
    expose(later, DOCKERFILE, "9000")
    monkeypatch.setattr(command, "ROOT", later)
    assert command.main(["update", str(ejected)]) == 1
    said = capsys.readouterr()
    assert said.out == f"Changed in {ejected}:\n  Dockerfile\n  deploy/.answers.yml\n"
    assert "change the same lines of:\n  Dockerfile\n" in said.err
    assert "To undo the update" in said.err


def test_what_is_undecided_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def detect(*_: object) -> None:
        raise Undecided(Problem("two applications", "choose one", line='serve = "shop:app"'))

    monkeypatch.setattr(command, "detect", detect)
    assert command.main(["eject", str(tmp_path)]) == 2
    assert 'serve = "shop:app"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("app", "said"),
    [("", "APP is not set"), ("/nowhere", "is not a folder"), ("https://example.com/shop.git", "clone the repository")],
)
def test_an_app_that_is_no_folder_is_refused(app: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["eject", app]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_of_this_checkout_is_refused(nodrop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["new", str(nodrop / "shop")]) == 1
    assert "inside of this checkout" in capsys.readouterr().err


@pytest.mark.long
def test_what_is_detected_and_locked_in_this_checkout_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    shop = tmp_path / "shop"
    assert command.main(["new", str(shop), "--eject"]) == 0
    lock = (shop / "deploy" / "requirements.txt").read_text()
    assert all(f"\n{name}==" in lock for name in ("flask", "gunicorn", "nodrop"))
    assert 'fullnameOverride: "shop"' in (shop / "deploy" / "values.yaml").read_text()
    assert 'WSGI_APP="app:app"' in (shop / "Dockerfile").read_text()
