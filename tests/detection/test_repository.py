"""The files of a repository: which count, and what is read of them."""

import os
from pathlib import Path

import pytest

from delivery.detection.reading import LARGEST_BYTES
from delivery.detection.repository import TooLarge
from tests.detection.repositories import made


def test_what_tools_make_and_hidden_folders_do_not_count(tmp_path: Path) -> None:
    repository = made(
        tmp_path,
        {
            "app.py": "",
            "node_modules/left/setup.py": "",
            "my-env/pyvenv.cfg": "",
            "my-env/lib/flask.py": "",
            "shop.egg-info/top_level.txt": "",
            ".git/config": "",
            ".flaskenv": "",
        },
    )
    assert sorted(repository.files) == [".flaskenv", "app.py"]


def test_what_lies_in_tests_and_examples_is_beside_the_application(tmp_path: Path) -> None:
    repository = made(tmp_path, {"shop/app.py": "", "tests/app.py": "", "shop/test_app.py": "", "docs/conf.py": ""})
    assert [path for path, file in repository.files.items() if not file.beside] == ["shop/app.py"]


def test_a_link_that_leads_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", {"app.py": ""})
    (tmp_path / "secret.py").write_text("")
    (tmp_path / "shop" / "outside.py").symlink_to(tmp_path / "secret.py")
    (tmp_path / "shop" / "broken.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "shop" / "inside.py").symlink_to("app.py")
    assert sorted(repository.files) == ["app.py", "inside.py"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    repository = made(tmp_path, {"app.py": ""})
    os.mkfifo(tmp_path / "pipe.py")
    assert list(repository.files) == ["app.py"]


def test_a_folder_with_more_files_than_an_application_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.detection.repository.MOST_FILES", 2)
    with pytest.raises(TooLarge, match="more than 2 files"):
        _ = made(tmp_path, {"a.py": "", "b.py": "", "c.py": ""}).files


def test_a_python_file_is_parsed_once(tmp_path: Path) -> None:
    repository = made(tmp_path, {"app.py": "app = 1"})
    file = repository.files["app.py"]
    assert repository.parse(file) is repository.parse(file)


def test_a_file_that_can_not_be_parsed_is_noted_with_the_reason(tmp_path: Path) -> None:
    repository = made(tmp_path, {"old.py": "print 'Python 2'"})
    assert repository.parse(repository.files["old.py"]) is None
    assert "Missing parentheses" in repository.unreadable["old.py"]


def test_a_file_too_large_to_hold_an_application_is_not_read(tmp_path: Path) -> None:
    repository = made(tmp_path, {"table.py": "#" * (LARGEST_BYTES + 1)})
    assert repository.content(repository.files["table.py"]) == b""


def test_a_pyproject_that_is_no_toml_is_noted_and_counts_as_empty(tmp_path: Path) -> None:
    repository = made(tmp_path, {"pyproject.toml": "[project"})
    assert repository.pyproject == {}
    assert "pyproject.toml" in repository.unreadable
