"""git's configuration in a repository that somebody else wrote makes nothing run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from delivery.development.errors import DevelopmentError
from delivery.development.live.files import Files
from delivery.ejection.git import paths
from delivery.git import answer, run
from delivery.images.content import content
from delivery.images.errors import ImageError
from tests.images.applications import commit, git, write


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A repository of which every setting that names a program names one that leaves a file `ran`."""
    shop = write(tmp_path / "shop", {"shop.py": "", ".gitattributes": "*.txt filter=evil\n", "a.txt": "a"})
    commit(shop)
    git(shop, "tag", "1.0")
    evil = write(tmp_path, {"evil": f'#!/bin/sh\necho "$0" "$@" >> {tmp_path}/ran\ncat\n'}) / "evil"
    evil.chmod(0o755)
    (shop / ".git" / "hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman"):
        (shop / ".git" / "hooks" / hook).symlink_to(evil)
    config = shop / ".git" / "config"
    config.write_text(
        config.read_text() + f"[core]\nfsmonitor = {evil}\npager = {evil}\nsshCommand = {evil}\neditor = {evil}\n"
        f'[filter "evil"]\nclean = {evil}\nsmudge = {evil}\nprocess = {evil}\nrequired = true\n'
        f'[diff]\nexternal = {evil}\n[extensions]\npartialClone = origin\n[protocol "ext"]\nallow = always\n'
        f'[remote "origin"]\nurl = ext::{evil}\npromisor = true\n'
    )
    # Of the same size as what is committed, so that git compares the content.
    (shop / "a.txt").write_text("b")
    return shop


def test_nothing_of_a_repository_runs_when_its_files_and_its_version_are_asked_for(
    hostile: Path, tmp_path: Path
) -> None:
    assert content(hostile).files == [".gitattributes", "a.txt", "shop.py"]
    assert answer(hostile, "describe", "--tags", "--always", "--dirty") == "1.0-dirty"
    assert paths(hostile, "diff", "HEAD", "--name-only") == ["a.txt"]
    assert paths(hostile, "ls-files", "--modified") == ["a.txt"]
    run(hostile, "status", "--porcelain")
    # An object that is not there is fetched, wherever the repository says.
    run(hostile, "cat-file", "-p", "1" * 40)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("broken", "said"), [("index", "index file"), ("HEAD", "not a git repository"), ("config", "bad config line")]
)
def test_a_repository_that_git_can_t_read_is_refused_since_nobody_knows_what_it_ignores(
    tmp_path: Path, broken: str, said: str
) -> None:
    write(tmp_path, {"shop.py": "", "customers.csv": "", ".gitignore": "customers.csv\n", "inner/x.py": ""})
    commit(tmp_path)
    (tmp_path / ".git" / broken).write_text("[nonsense")
    for folder in (tmp_path, tmp_path / "inner"):
        with pytest.raises(ImageError, match=f"git can't list the files of {tmp_path}: .*{said}") as raised:
            content(folder)
    assert f"Run git status in {tmp_path}" in str(raised.value)
    with pytest.raises(DevelopmentError, match=said):
        Files(tmp_path).now()


def test_a_repository_of_another_user_names_the_command_that_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(write(tmp_path, {"shop.py": ""}))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with pytest.raises(ImageError, match=f"git config --global --add safe.directory {tmp_path}"):
        content(tmp_path)


def test_a_git_repository_needs_git_and_another_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"one/shop.py": "", "two/shop.py": ""})
    commit(tmp_path / "one")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="install git"):
        content(tmp_path / "one")
    assert content(tmp_path / "two").files == ["shop.py"]
