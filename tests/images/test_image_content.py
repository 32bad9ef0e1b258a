"""Which files of a repository belong into its image."""

from pathlib import Path

import pytest

from delivery.images.content import content
from tests.images.applications import commit, write


def test_what_git_ignores_is_left_out_and_what_is_new_is_not(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": "", "data/big.bin": "", ".gitignore": "data/\n"})
    commit(tmp_path)
    write(tmp_path, {"new.py": ""})
    assert content(tmp_path).files == [".gitignore", "new.py", "shop.py"]


DATABASE = "SQLite format 3\0" + 1008 * "\0"


def test_databases_and_uploads_of_the_developer_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": "", "uploads/.gitkeep": "", "uploads/logo.png": "", "cities.db": DATABASE})
    commit(tmp_path)
    write(tmp_path, {"instance/shop": DATABASE, "instance/shop-wal": "", "uploads/me.png": "", "uploads/new.css": ""})
    found = content(tmp_path, ["uploads"])
    assert found.files == ["cities.db", "shop.py", "uploads/.gitkeep", "uploads/logo.png", "uploads/new.css"]
    assert found.data == ["instance/shop", "instance/shop-wal", "uploads/me.png"]
    assert found.databases == ["cities.db"]


def test_where_git_knows_nothing_all_databases_and_uploads_are_data(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": "", "shop.db": DATABASE, "uploads/me.png": "", "notes.db": "no database"})
    found = content(tmp_path, ["uploads"])
    assert (found.files, found.data) == (["notes.db", "shop.py"], ["shop.db", "uploads/me.png"])


def test_a_file_that_is_tracked_and_deleted_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": "", "old.py": ""})
    commit(tmp_path)
    (tmp_path / "old.py").unlink()
    assert content(tmp_path).files == ["shop.py"]


def test_a_folder_of_a_larger_repository_has_its_own_files_alone(tmp_path: Path) -> None:
    write(tmp_path, {"shop/shop.py": "", "other/other.py": ""})
    commit(tmp_path)
    assert content(tmp_path / "shop").files == ["shop.py"]


def test_a_folder_that_an_outer_repository_ignores_has_all_its_files(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "/shop/\n", "shop/shop.py": ""})
    commit(tmp_path)
    assert content(tmp_path / "shop").files == ["shop.py"]


def test_a_repository_inside_of_it_counts_with_what_it_tracks(tmp_path: Path) -> None:
    write(tmp_path, {"shop.py": "", "plugins/mail/mail.py": "", "plugins/mail/.gitignore": "cache\n"})
    write(tmp_path, {"plugins/mail/cache": ""})
    commit(tmp_path / "plugins" / "mail")
    commit(tmp_path)
    assert content(tmp_path).files == ["plugins/mail/.gitignore", "plugins/mail/mail.py", "shop.py"]


@pytest.mark.parametrize("known_to_git", [True, False])
def test_what_tools_make_is_left_out(tmp_path: Path, known_to_git: bool) -> None:
    made = {
        "env39/pyvenv.cfg": "", "env39/lib/flask.py": "", "node_modules/a/index.js": "", "__pycache__/shop.pyc": "",
        "shop.pyc": "", ".pytest_cache/x": "", ".DS_Store": "", ".vscode/settings.json": "",
    }  # fmt: skip
    write(tmp_path, {"shop.py": "", "static/dist/main.js": "", "build/page.html": "", **made})
    if known_to_git:
        commit(tmp_path)
    assert content(tmp_path).files == ["build/page.html", "shop.py", "static/dist/main.js"]


@pytest.mark.parametrize("known_to_git", [True, False])
def test_credentials_are_left_out_even_where_git_tracks_them(tmp_path: Path, known_to_git: bool) -> None:
    confidential = {
        ".env": "KEY=1", ".env.production": "KEY=1", "deploy/prod.env": "KEY=1", ".aws/credentials": "key",
        "id_rsa": "", ".npmrc": "//npm.example/:_authToken=1", "keys/jwt.pem": "-----BEGIN RSA PRIVATE KEY-----",
    }  # fmt: skip
    harmless = {".env.example": "KEY=", ".flaskenv": "FLASK_APP=shop", "certs/ca.pem": "-----BEGIN CERTIFICATE-----"}
    write(tmp_path, {"shop.py": "", **confidential, **harmless})
    if known_to_git:
        commit(tmp_path)
    found = content(tmp_path)
    assert found.files == sorted(["shop.py", *harmless])
    assert found.confidential == sorted(confidential)


def test_a_link_inside_stays_and_one_that_leads_out_does_not(tmp_path: Path) -> None:
    write(tmp_path, {"repository/shop.py": "", "secret": ""})
    repository = tmp_path / "repository"
    (repository / "store.py").symlink_to("shop.py")
    (repository / "key").symlink_to(tmp_path / "secret")
    found = content(repository)
    assert (found.files, found.outside) == (["shop.py", "store.py"], ["key"])
