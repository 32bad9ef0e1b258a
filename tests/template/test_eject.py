"""`make eject` writes all files or none, and replaces nothing of the user's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from delivery.detection.description import Setting, Surroundings
from delivery.ejection.answers import Parts
from delivery.ejection.eject import Ejected, eject
from delivery.ejection.refusal import Refused
from tests.serving_process import ROOT
from tests.template.repositories import APP, Lock, checkout, commit, content, described, git, parts, write

WRITTEN = {
    "Dockerfile", "Dockerfile.dockerignore", "Makefile", ".github/workflows/deploy.yml",
    "deploy/.answers.yml", "deploy/README.md", "deploy/nodrop-0.2.0-py3-none-any.whl", "deploy/nodrop.mk",
    "deploy/requirements.txt", "deploy/values.yaml",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", {"app.py": APP, "requirements.txt": "flask\n"})


def run(shop: Path, nodrop: Path, its_parts: Parts | None = None, *, force: bool = False) -> Ejected:
    return eject(described(shop), its_parts or parts(), root=nodrop, force=force)


# --- Links and paths of the repository --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/values.yaml", "deploy/.answers.yml"])
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_through_a_link_to_a_file(shop: Path, nodrop: Path, name: str, *, there: bool) -> None:
    outside = shop.parent / "bashrc"
    if there:
        outside.write_text("mine\n")
    (shop / name).parent.mkdir(exist_ok=True)
    (shop / name).symlink_to(outside)
    with pytest.raises(Refused, match=r"is a link, .*Nothing was written"):
        run(shop, nodrop, force=True)
    assert outside.exists() == there
    assert not there or outside.read_text() == "mine\n"
    assert not (shop / "deploy" / "README.md").exists()


@pytest.mark.parametrize("linked", ["deploy", ".github", "deploy/chart"])
def test_nothing_is_written_or_deleted_through_a_link_to_a_folder(shop: Path, nodrop: Path, linked: str) -> None:
    outside = write(shop.parent / "outside", {"nodrop-1.whl": "", "workflows/mine": ""})
    (shop / linked).parent.mkdir(exist_ok=True)
    (shop / linked).symlink_to(outside)
    with pytest.raises(Refused, match="is a link"):
        run(shop, nodrop, force=True)
    assert content(outside) == {"nodrop-1.whl": b"", "workflows/mine": b""}


@pytest.mark.parametrize("dockerfile", ["../Dockerfile", "/etc/Dockerfile", "a/../../Dockerfile", "a'b"])
def test_a_dockerfile_is_inside_of_the_repository(shop: Path, nodrop: Path, dockerfile: str) -> None:
    with pytest.raises(Refused, match="no path in the repository"):
        eject(described(shop), parts(), root=nodrop, dockerfile=dockerfile)
    assert content(shop).keys() == {"app.py", "requirements.txt"}


# --- What is written ------------------------------------------------------------------------------------------------


def test_the_files_and_the_chart_are_written_beside_the_application(once_ejected: Path) -> None:
    files = {name for name in content(once_ejected) if not name.startswith("deploy/chart/")}
    assert files == {"app.py", "requirements.txt", *WRITTEN}
    assert (once_ejected / "app.py").read_text() == APP


def test_every_file_says_who_wrote_it_and_whether_edits_are_kept(once_ejected: Path) -> None:
    for name in WRITTEN - {"deploy/nodrop-0.2.0-py3-none-any.whl"}:
        assert "Written by nodrop" in (once_ejected / name).read_text().splitlines()[0], name


def test_the_chart_is_copied_without_its_tests(once_ejected: Path, nodrop: Path) -> None:
    chart = nodrop / "charts" / "flask-app"
    expected = {name: text for name, text in content(chart).items() if not name.startswith("ci/")}
    assert content(once_ejected / "deploy" / "chart") == expected
    assert not (once_ejected / "deploy" / "chart").is_symlink()


def test_no_file_names_a_path_of_this_machine(once_ejected: Path, nodrop: Path) -> None:
    paths = [str(each).encode() for each in (once_ejected, nodrop, ROOT)]
    assert [name for name, text in content(once_ejected).items() if any(path in text for path in paths)] == []


def test_the_answers_name_the_version_that_wrote_them(once_ejected: Path, nodrop: Path) -> None:
    answers = yaml.safe_load((once_ejected / "deploy" / ".answers.yml").read_text())
    assert git(nodrop, "rev-parse", "HEAD").startswith(answers["_commit"])
    assert (answers["name"], answers["serve"], answers["_src_path"]) == ("shop", "app:app", "nodrop")


def test_the_values_keep_the_comments_that_say_where_they_come_from(once_ejected: Path) -> None:
    assert (once_ejected / "deploy" / "values.yaml").read_text().endswith("\n\n# app.py:4\nconfig:\n  CURRENCY: EUR\n")


def test_an_application_with_credentials_gets_the_name_of_its_secret(shop: Path, nodrop: Path) -> None:
    setting = Setting("SECRET_KEY", "app.py:4", required=True, secret=True)
    named = replace(parts(), values=lambda _, secret: f"secrets: {{ existingSecret: {secret} }}\n")
    eject(described(shop, Surroundings(settings=(setting,))), named, root=nodrop)
    assert yaml.safe_load((shop / "deploy" / "values.yaml").read_text()) == {"secrets": {"existingSecret": "shop"}}
    assert "name='shop'-env-" in (shop / "deploy" / "nodrop.mk").read_text()
    assert "secret ENV_FILE=production.env" in (shop / "deploy" / "README.md").read_text()


# --- What is there already ------------------------------------------------------------------------------------------


def test_files_that_would_be_replaced_are_listed_and_nothing_is_written(shop: Path, nodrop: Path) -> None:
    write(shop, {"Dockerfile": "FROM scratch\n", "deploy/values.yaml": "mine: true\n"})
    before = content(shop)
    with pytest.raises(Refused) as refused:
        run(shop, nodrop)
    assert "nothing was written:\n  Dockerfile\n  deploy/values.yaml\n" in str(refused.value)
    assert "DOCKERFILE=deploy/Dockerfile" in str(refused.value)
    assert "FORCE=1" in str(refused.value)
    assert content(shop) == before


def test_a_lock_that_fails_leaves_nothing_behind(shop: Path, nodrop: Path) -> None:
    def fail(*_: object) -> Lock:
        raise Refused("there is no such package")

    before = content(shop)
    with pytest.raises(Refused, match="no such package"):
        run(shop, nodrop, replace(parts(), lock=fail))
    assert content(shop) == before


def test_a_lock_with_a_login_in_an_address_is_not_written(shop: Path, nodrop: Path) -> None:
    before = content(shop)
    lock = f"mail @ https://me:hunter2@host.example/mail.whl --hash=sha256:{'0' * 64}\n"
    with pytest.raises(Refused, match=r"the address in mail @ https://host\.example/mail\.whl .* has a login in it"):
        eject(described(shop), parts(lock=lock), root=nodrop)
    assert content(shop) == before


def test_force_replaces_what_is_in_the_way_and_nothing_else(shop: Path, nodrop: Path) -> None:
    mine = {
        "deploy/local/mine.txt": "mine\n",
        "deploy/nodrop-mine.whl": "mine\n",
        "deploy/requirements-unhashed.txt": "",
    }
    write(shop, {"Dockerfile": "FROM scratch\n", **mine})
    run(shop, nodrop, force=True)
    assert all((shop / name).read_text() == text for name, text in mine.items())
    assert "nodrop.gunicorn" in (shop / "Dockerfile").read_text()


def test_the_dockerfile_can_stand_beside_the_users_own(shop: Path, nodrop: Path) -> None:
    write(shop, {"Dockerfile": "FROM scratch\n"})
    done = eject(described(shop), parts(), root=nodrop, dockerfile="deploy/Dockerfile")
    assert (shop / "Dockerfile").read_text() == "FROM scratch\n"
    assert {"deploy/Dockerfile", "deploy/Dockerfile.dockerignore"} <= {*done.files}
    assert "docker build --file 'deploy/Dockerfile'" in (shop / "deploy" / "nodrop.mk").read_text()


def test_files_that_were_written_before_are_left_to_update(ejected: Path, nodrop: Path) -> None:
    with pytest.raises(Refused, match="make update"):
        run(ejected, nodrop)


def test_force_writes_an_ejected_repository_anew_as_it_was(ejected: Path, nodrop: Path) -> None:
    before = content(ejected)
    write(ejected, {"Dockerfile": "FROM scratch\n", "Makefile": "edited:\n"})
    run(ejected, nodrop, force=True)
    assert content(ejected) == before


def test_in_a_folder_of_a_repository_neither_its_makefile_is_edited_nor_a_workflow_written(
    shop: Path, nodrop: Path
) -> None:
    write(shop, {"makefile": "test:\n\tpytest\n"})
    commit(shop.parent)
    done = run(shop, nodrop)
    assert (shop / "makefile").read_text() == "test:\n\tpytest\n"
    assert "Makefile" not in done.files
    assert any(note.endswith("add:\n  include deploy/nodrop.mk") for note in done.notes)
    assert not (shop / ".github").exists()
    assert any("make --directory shop --file deploy/nodrop.mk" in note for note in done.notes)


# --- The checkout of nodrop -----------------------------------------------------------------------------------------


def test_what_nodrop_has_not_committed_is_left_out_and_told(shop: Path, later: Path) -> None:
    template = later / "delivery" / "template" / "ejected" / "Makefile"
    template.write_text(f"{template.read_text()}# not committed\n")
    done = run(shop, later)
    assert "not committed" not in (shop / "Makefile").read_text()
    assert any(
        note.endswith("without your uncommitted changes to delivery/template/ejected/Makefile.") for note in done.notes
    )


def test_a_copy_of_nodrop_without_git_is_refused(shop: Path, tmp_path: Path) -> None:
    without = checkout(tmp_path / "checkout")
    os.rename(without / ".git", tmp_path / "moved")  # noqa: PTH104
    with pytest.raises(Refused, match="isn't a git checkout"):
        run(shop, without)
