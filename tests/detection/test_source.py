"""What APP may name: a folder, or the address of a git repository."""

import os
import subprocess
from pathlib import Path

import pytest

from delivery.detection import source
from delivery.detection.description import Undecided
from delivery.detection.source import folder_of


def git(folder: Path, *arguments: str) -> str:
    """Run git there as a person whom no configuration of this machine describes."""
    identity = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z"}
    for role in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.com"}
    return subprocess.check_output(["git", *arguments], cwd=folder, env={**os.environ, **identity}, text=True).strip()


def committed(folder: Path, text: str) -> str:
    """Commit app.py with this text, and return the commit."""
    (folder / "app.py").write_text(text)
    git(folder, "add", "app.py")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit, and an empty build folder."""
    monkeypatch.setattr(source, "REPOSITORIES", tmp_path / "build")
    folder = tmp_path / "my shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    committed(folder, "first")
    return folder


def refused(app: str) -> str:
    """Why APP can't be used, and what to do."""
    with pytest.raises(Undecided) as raised:
        folder_of(app)
    [problem] = raised.value.problems
    return f"{problem.cause}. {problem.remedy}"


def test_a_folder_is_named_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my shop").mkdir()
    monkeypatch.chdir(tmp_path / "my shop")
    for name in (".", "../my shop", "../my shop/", str(tmp_path / "my shop")):
        assert folder_of(name) == tmp_path / "my shop"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("~/my shop") == tmp_path / "my shop"


def test_a_folder_that_is_not_there_gets_the_nearest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop" / "backend").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert refused("../shpo") == f"APP=../shpo: there is no folder shpo in {tmp_path}. did you mean APP=../shop?"
    assert "there is no folder backnd" in refused("../shop/backnd")
    assert refused("nothing-like-it").endswith("name a folder or a git address: APP=../shop")


def test_a_file_and_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    assert refused(f"{tmp_path}/app.py") == f"APP={tmp_path}/app.py is a file. name its folder: APP={tmp_path}"
    assert refused("").startswith("APP is empty")


def test_a_repository_is_cloned_and_has_its_own_name(shop: Path) -> None:
    clone = folder_of(f"file://{shop}")
    assert (clone / "app.py").read_text() == "first"
    assert clone.name == "my-shop"
    assert clone.is_relative_to(source.REPOSITORIES)


def test_the_next_call_brings_the_clone_up_to_date(shop: Path) -> None:
    folder_of(f"file://{shop}")
    committed(shop, "second")
    assert (folder_of(f"file://{shop}") / "app.py").read_text() == "second"


def test_a_tag_a_branch_and_a_commit_can_be_named(shop: Path) -> None:
    git(shop, "tag", "v1.0")
    git(shop, "branch", "feature/one")
    first = git(shop, "rev-parse", "HEAD")
    committed(shop, "second")
    for revision in ("v1.0", "feature/one", first):
        assert (folder_of(f"git+file://{shop}@{revision}") / "app.py").read_text() == "first"


def test_a_folder_of_a_repository_can_be_named(shop: Path) -> None:
    (shop / "backend").mkdir()
    (shop / "backend" / "wsgi.py").touch()
    git(shop, "add", "backend")
    git(shop, "commit", "--quiet", "--message", "backend")
    assert (folder_of(f"file://{shop}#subdirectory=backend") / "wsgi.py").exists()
    assert "use one of its folders" in refused(f"file://{shop}#subdirectory=../..")


def test_what_was_edited_in_a_clone_is_not_undone(shop: Path) -> None:
    clone = folder_of(f"file://{shop}")
    (clone / "flask-app.toml").write_text('name = "shop"')
    folder_of(f"file://{shop}")
    assert (clone / "flask-app.toml").exists()
    (clone / "app.py").write_text("edited")
    assert f"set APP={clone} to use it as it is" in refused(f"file://{shop}")
    assert (clone / "app.py").read_text() == "edited"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("/nowhere", "does not appear to be a git repository. check the address"),
        ("@v9", "couldn't find remote ref v9. put a branch, a tag or a full commit hash after the @"),
        ("@--upload-pack=touch", "isn't a revision"),
    ],
)
def test_what_git_says_is_one_line_with_a_remedy(shop: Path, rest: str, said: str) -> None:
    answer = refused(f"file://{shop}{rest}")
    assert said in answer
    assert "\n" not in answer


def test_credentials_in_an_address_are_not_printed(shop: Path) -> None:
    assert "hunter2" not in refused(f"http://shop:hunter2@127.0.0.1:9/{shop.name}")


@pytest.mark.parametrize(
    ("app", "address", "revision"),
    [
        ("https://example.com/a/shop.git", "https://example.com/a/shop.git", "HEAD"),
        ("https://me:token@example.com/a/shop", "https://me:token@example.com/a/shop", "HEAD"),
        ("https://example.com/a/shop@v1", "https://example.com/a/shop", "v1"),
        ("git@example.com:a/shop.git", "git@example.com:a/shop.git", "HEAD"),
        ("git@example.com:a/shop.git@feature/one", "git@example.com:a/shop.git", "feature/one"),
        ("git@example.com:shop.git@v1", "git@example.com:shop.git", "v1"),
        ("ssh://git@example.com:22/a/shop.git@v1", "ssh://git@example.com:22/a/shop.git", "v1"),
        ("git+ssh://git@example.com/a/shop.git", "ssh://git@example.com/a/shop.git", "HEAD"),
    ],
)
def test_the_address_and_the_revision_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str, address: str, revision: str
) -> None:
    asked: list[tuple[str, ...]] = []

    def record(_: Path, __: str, *arguments: str) -> str:
        asked.append(arguments)
        return ""

    monkeypatch.setattr(source, "REPOSITORIES", tmp_path)
    monkeypatch.setattr(source, "_git", record)
    assert folder_of(app).name == "shop"
    [fetch] = [each for each in asked if "fetch" in each]
    assert fetch[-2:] == (address, revision)


def test_a_clone_knows_where_it_comes_from_so_that_its_release_does(shop: Path) -> None:
    clone = folder_of(f"file://{shop}")
    assert git(clone, "config", "remote.origin.url") == f"file://{shop}"
