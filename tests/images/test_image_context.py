"""The build context of an application."""

import json
import re
from pathlib import Path

import pytest

from delivery.checkout import ROOT
from delivery.detection.description import Written
from delivery.images.context import Context, assemble, place
from delivery.images.errors import ImageError
from tests.images.applications import describe, write

FLASK = "flask==3.1.3 --hash=sha256:aa\n"


def assembled(tmp_path: Path, files: dict[str, str], *, lock: str = FLASK, **facts: object) -> Context:
    """The context of an application with these files."""
    folder = write(tmp_path / "my shop", files)
    (tmp_path / "lock").write_text(lock)
    return assemble(describe(folder, **facts), tmp_path / "context", tmp_path / "lock")  # type: ignore[arg-type]


def names(context: Context) -> list[str]:
    """The files of the context that are the application's."""
    srv = context.folder / "srv"
    return sorted(path.relative_to(srv).as_posix() for path in srv.rglob("*") if not path.is_dir())


def test_all_that_the_dockerfile_copies_is_there(tmp_path: Path) -> None:
    context = assembled(tmp_path, {"shop.py": ""})
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text())
    given = {"${APP_DIR}": "srv", "${REQUIREMENTS}": "requirements.txt"}
    for name in (given.get(each, each) for line in copied for each in line.split()):
        assert list(context.folder.glob(name)) or name in ("unhashe[d]", "frontend")


def test_a_folder_with_a_blank_in_its_name_is_copied_as_any_other(tmp_path: Path) -> None:
    context = assembled(tmp_path, {"shop.py": "app = 1", "templates/a page.html": ""})
    assert names(context) == ["shop.py", "templates/a page.html"]
    assert (context.folder / "srv" / "shop.py").read_text() == "app = 1"


def test_files_of_an_earlier_build_are_gone(tmp_path: Path) -> None:
    assembled(tmp_path, {"shop.py": "", "old.py": ""})
    (tmp_path / "my shop" / "old.py").unlink()
    assert names(assembled(tmp_path, {})) == ["shop.py"]


def test_a_file_on_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object, **_options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)
    assert names(assembled(tmp_path, {"shop.py": ""})) == ["shop.py"]


def test_credentials_are_not_in_the_context_and_are_named(tmp_path: Path) -> None:
    context = assembled(tmp_path, {"shop.py": "", ".env": "SECRET_KEY=1"})
    assert names(context) == ["shop.py"]
    assert context.notes[0].startswith("Not in the image, because they probably hold credentials: .env. ")


def test_data_of_the_developer_is_not_in_the_context_and_is_named(tmp_path: Path) -> None:
    context = assembled(tmp_path, {"shop.py": "", "uploads/me.png": ""}, writes=(Written("uploads", "", "", True),))
    assert names(context) == ["shop.py"]
    assert "written here: uploads/me.png. What belongs to the application" in " ".join(context.notes)


def test_a_repository_that_is_itself_the_package_goes_into_a_folder_of_its_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", {"__init__.py": "", "views.py": ""})
    (tmp_path / "lock").write_text(FLASK)
    context = assemble(describe(folder, "shop"), tmp_path / "context", tmp_path / "lock")
    assert names(context) == ["shop/__init__.py", "shop/views.py"]


def test_a_stray_init_file_does_not_make_a_repository_a_package(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", {"__init__.py": "", "shop.py": ""})
    assert place(describe(folder, "shop:app")) == "."


# --- .dockerignore ----------------------------------------------------------------------------------------------------


def ignored(context: Context) -> list[str]:
    return (context.folder / ".dockerignore").read_text().splitlines()


def test_the_application_s_dockerignore_counts_for_its_own_files_alone(tmp_path: Path) -> None:
    written = "# a comment\n*.md\n!README.md\n/docs\n**/tests\n\n  data  \n"
    lines = ignored(assembled(tmp_path, {"shop.py": "", ".dockerignore": written}))
    assert lines[:5] == ["srv/*.md", "!srv/README.md", "srv/docs", "srv/**/tests", "srv/data"]


def test_credentials_are_ignored_last_so_that_nothing_brings_them_back(tmp_path: Path) -> None:
    lines = ignored(assembled(tmp_path, {"shop.py": "", ".dockerignore": "!.netrc\n"}))
    assert lines.index("!srv/.netrc") < lines.index("srv/**/.netrc")


def test_what_builds_a_package_is_kept(tmp_path: Path) -> None:
    pyproject = '[project]\nname = "shop"\nreadme = "docs/index.md"\n'
    files = {"shop.py": "", "pyproject.toml": pyproject, ".dockerignore": "*\n!shop.py\n"}
    lines = ignored(assembled(tmp_path, files, is_package=True))
    assert {"!srv/pyproject.toml", "!srv/docs/index.md"} <= set(lines)


# --- Requirements and frontend ----------------------------------------------------------------------------------------


def test_packages_from_git_and_from_folders_are_apart_with_their_files(tmp_path: Path) -> None:
    files = {"shop.py": "", "libs/mail/setup.py": "", "libs/mail/.env": "KEY=1"}
    lock = f"{FLASK}news @ git+https://me:pw@git.example/news@0a1b\n./libs/mail\n"
    context = assembled(tmp_path, files, lock=lock)
    unhashed = context.folder / "unhashed"
    assert (context.folder / "requirements.txt").read_text() == FLASK
    assert (unhashed / "requirements.txt").read_text() == ("news @ git+https://git.example/news@0a1b\n./local/0/mail\n")
    assert [path.name for path in (unhashed / "local/0/mail").iterdir()] == ["setup.py"]
    assert context.sources.logins == [("git.example", "me", "pw")]


def test_a_folder_that_the_requirements_name_and_nobody_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"the requirements refer to .*/my shop/libs/mail, which doesn't exist"):
        assembled(tmp_path, {"shop.py": ""}, lock="./libs/mail\n")


def test_npm_gets_what_fetching_packages_needs_and_not_the_source(tmp_path: Path) -> None:
    package = json.dumps({"scripts": {"build": "vite build"}})
    files = {"shop.py": "", "web/package.json": package, "web/package-lock.json": "{}", "web/main.js": ""}
    context = assembled(tmp_path, files, assets="web")
    frontend = sorted(path.name for path in (context.folder / "frontend" / "web").iterdir())
    assert frontend == ["package-lock.json", "package.json"]


def test_npm_gets_all_of_a_frontend_whose_own_scripts_run_at_install(tmp_path: Path) -> None:
    package = json.dumps({"scripts": {"build": "vite build", "postinstall": "node fix.js"}})
    files = {"shop.py": "", "web/package.json": package, "web/package-lock.json": "{}", "web/fix.js": ""}
    context = assembled(tmp_path, files, assets="web")
    assert (context.folder / "frontend" / "web" / "fix.js").exists()


def test_a_frontend_without_a_lock_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    files = {"shop.py": "", "web/package.json": "{}", "web/yarn.lock": ""}
    with pytest.raises(ImageError, match=r"web has no package-lock\.json.* assets = false in flask-app\.toml"):
        assembled(tmp_path, files, assets="web")
