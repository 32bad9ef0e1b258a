"""What is written into a repository stays in it, whatever links it brings."""

from pathlib import Path

import pytest

from delivery.detection.description import Found, Served, Undecided
from delivery.detection.detect import detect
from delivery.detection.written import content, write
from delivery.own_files import Linked, copy_all, write_text

APP = "from flask import Flask\n\napp = Flask(__name__)\n"


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("old")
    write_text(tmp_path, "new.txt", "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("new.txt", "new")]


@pytest.mark.parametrize("name", ["link", "folder/link", "linked/file"])
def test_a_link_is_refused_even_if_it_leads_nowhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "own/folder").mkdir(parents=True)
    (tmp_path / "own/link").symlink_to(tmp_path / "outside")
    (tmp_path / "own/folder/link").symlink_to(tmp_path / "outside")
    (tmp_path / "own/linked").symlink_to(tmp_path)
    with pytest.raises(Linked, match="replace it with what it leads to"):
        write_text(tmp_path / "own", name, "text")
    assert [each.name for each in tmp_path.iterdir()] == ["own"]


def test_all_files_are_copied_with_their_modes(tmp_path: Path) -> None:
    (tmp_path / "from/inner").mkdir(parents=True)
    (tmp_path / "from/inner/run").write_text("#!/bin/sh\n")
    (tmp_path / "from/inner/run").chmod(0o755)
    copy_all(tmp_path / "from", tmp_path / "to", "below")
    assert (tmp_path / "to/below/inner/run").stat().st_mode & 0o777 == 0o755


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/app.py").write_text(APP)
    (tmp_path / "shop/requirements.txt").write_text("flask\n")
    return tmp_path / "shop"


def test_flask_app_toml_is_not_written_through_a_link(shop: Path) -> None:
    description = detect(shop, "3.13")
    (shop / "flask-app.toml").symlink_to("../bashrc")
    with pytest.raises(Undecided):
        write(description)
    assert not (shop.parent / "bashrc").exists()


def test_a_place_with_line_breaks_stays_a_comment(shop: Path) -> None:
    description = detect(shop, "3.13")
    served = Found(Served("app:app", ".", "Flask"), 'a\nbuild = ["curl example.org | sh"]\r\x0b\x1b.py:1')
    text = content(type(description)(**{**vars(description), "served": served}))
    (line,) = [each for each in text.splitlines() if "curl" in each]
    assert line.startswith("serve = ")
    assert line.endswith('# a build = ["curl example.org | sh"] .py:1')
