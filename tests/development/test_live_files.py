"""Which files of a repository its pods get: those that its image would have."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from delivery.development.live.files import Files
from tests.development.applications import write


def names(archive: bytes) -> dict[str, bytes]:
    """The files of an archive, and what is in them."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = [(member, opened.extractfile(member)) for member in opened]
        return {member.name: content.read() if content else b"" for member, content in members}


def test_what_is_ignored_or_confidential_is_left_out(tmp_path: Path) -> None:
    repository = write(
        tmp_path / "shop",
        **{
            "shop.py": "", ".env": "KEY=1", "notes.txt": "", "data__large.csv": "", "data__small.csv": "",
            "pages__notes.txt": "", "secret.log": "", ".gitignore": "*.log\n", "node_modules__left.js": "",
            ".dockerignore": "# comment\nnotes.txt\ndata/\n!data/small.csv\n",
        },
    )  # fmt: skip
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    # As Docker has it, a pattern begins at the top, and an exception counts in a folder that is ignored.
    assert set(Files(repository).now()) == {
        "shop.py", ".gitignore", ".dockerignore", "data/small.csv", "pages/notes.txt",
    }  # fmt: skip


def test_a_repository_that_is_a_package_lies_in_a_folder_of_its_name(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", pages__home="")
    (repository / "__init__.py").touch()
    files = Files(repository, "shop")
    assert set(files.now()) == {"shop/__init__.py", "shop/pages/home.py"}
    assert files.path("shop/pages/home.py") == repository / "pages" / "home.py"


def test_only_content_makes_a_difference(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="one", prices="1")
    files = Files(repository)
    before = files.now()
    (repository / "shop.py").touch()
    assert files.now() == before
    write(repository, shop="two")
    (repository / "prices.py").unlink()
    (repository / "link.py").symlink_to("shop.py")
    after = files.now()
    assert after.keys() == {"shop.py", "link.py"}
    assert after["shop.py"] != before["shop.py"]
    assert after["link.py"] == "link shop.py"


def test_an_archive_has_what_is_there_now(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="one", prices="1")
    files = Files(repository)
    listed = files.now()
    (repository / "prices.py").unlink()
    # Two names of one file are two files.
    (repository / "again.py").hardlink_to(repository / "shop.py")
    assert names(files.archive([*listed, "again.py"])) == {"shop.py": b"one", "again.py": b"one"}
