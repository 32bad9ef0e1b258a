"""`make update` merges what a later version writes with the user's edits, and marks what can't be merged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from delivery.detection.description import Description, Found
from delivery.ejection.answers import Parts
from delivery.ejection.eject import eject
from delivery.ejection.refusal import Refused
from delivery.ejection.update import Updated, update
from tests.template.repositories import PIN, Lock, commit, content, described, git, parts, write

DOCKERFILE = "delivery/template/ejected/[[dockerfile]].jinja"


def edit(file: Path, old: str, new: str) -> None:
    """Replace what is there once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new))


def run(shop: Path, nodrop: Path) -> Updated:
    return update(described(shop), parts(), root=nodrop)


# --- Merged ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class After:
    """A repository after an update, and what the update said."""

    shop: Path
    said: Updated

    def text(self, name: str) -> str:
        return (self.shop / name).read_text()


@pytest.fixture(scope="module")
def after(once_ejected: Path, nodrop: Path, tmp_path_factory: pytest.TempPathFactory) -> After:
    """The user and a later version have both changed much, and the Dockerfile in the same line."""
    folder = tmp_path_factory.mktemp("merged")
    shop = Path(shutil.copytree(once_ejected, folder / "shop"))
    edit(shop / "Dockerfile", "EXPOSE 5000 5001\n", "EXPOSE 8000\n")
    edit(shop / "deploy" / "values.yaml", "CURRENCY: EUR", "CURRENCY: CHF")
    edit(shop / "deploy" / "README.md", "# How shop is", "# How my shop is")
    (shop / ".github" / "workflows" / "deploy.yml").unlink()
    commit(shop)

    later = Path(shutil.copytree(nodrop, folder / "later", symlinks=True))
    template = later / "delivery" / "template" / "ejected"
    edit(later / DOCKERFILE, "EXPOSE 5000 5001\n", "EXPOSE 5000 5001 5002\n")
    edit(template / "deploy" / "README.md.jinja", "| file |", "| the file |")
    edit(template / ".github" / "workflows" / "deploy.yml", "name: deploy", "name: later")
    (template / "deploy" / "later.md").write_text("new\n")
    edit(later / "charts" / "flask-app" / "Chart.yaml", "type: application", "type: application # later")
    (later / "charts" / "flask-app" / "icon.svg").unlink()
    commit(later)
    return After(shop, run(shop, later))


def test_a_later_version_is_merged_with_the_users_edits(after: After) -> None:
    text = after.text("deploy/README.md")
    assert "# How my shop is" in text
    assert "| the file |" in text
    assert "# later" in after.text("deploy/chart/Chart.yaml")
    assert "CURRENCY: CHF" in after.text("deploy/values.yaml")


def test_what_changed_is_named_and_nothing_else(after: After) -> None:
    assert after.said.changed == (
        "Dockerfile", "deploy/.answers.yml", "deploy/README.md", "deploy/chart/Chart.yaml", "deploy/chart/icon.svg",
        "deploy/later.md",
    )  # fmt: skip


def test_the_same_line_changed_by_both_is_marked_and_named(after: After) -> None:
    assert after.said.conflicts == ("Dockerfile",)
    lines = after.text("Dockerfile").splitlines()
    start, end = lines.index("<<<<<<< before updating"), lines.index(">>>>>>> after updating")
    assert lines[start + 1] == "EXPOSE 8000"
    assert lines[end - 1] == "EXPOSE 5000 5001 5002"


def test_a_file_that_the_user_deleted_stays_away(after: After) -> None:
    assert not (after.shop / ".github").exists()


def test_a_file_that_a_later_version_adds_is_written_and_one_that_it_drops_goes(after: After) -> None:
    assert after.text("deploy/later.md") == "new\n"
    assert not (after.shop / "deploy" / "chart" / "icon.svg").exists()


def test_what_is_detected_later_is_merged_too(ejected: Path, nodrop: Path) -> None:
    edit(ejected / "deploy" / "values.yaml", "# app.py:4\n", "replicaCount: 3\n# app.py:4\n")
    commit(ejected)
    found = parts(values="# app.py:4\nconfig:\n  CURRENCY: EUR\n# Procfile:2\nworkers:\n  mail: {}\n")
    update(described(ejected, apt=(Found("libpq5", "requirements.txt:2"),)), found, root=nodrop)
    values = yaml.safe_load((ejected / "deploy" / "values.yaml").read_text())
    assert values == {"replicaCount": 3, "config": {"CURRENCY": "EUR"}, "workers": {"mail": {}}}
    assert 'ARG APT="libpq5"' in (ejected / "Dockerfile").read_text()


def test_the_wheel_and_the_lock_stay_where_nodrop_is_the_same(ejected: Path, later: Path) -> None:
    edit(later / "delivery" / "template" / "ejected" / "Makefile", "help", "help image")
    commit(later)
    assert run(ejected, later).changed == ("Makefile", "deploy/.answers.yml")


def test_a_later_nodrop_replaces_the_wheel_and_its_pin(ejected: Path, later: Path) -> None:
    edit(later / "nodrop" / "__init__.py", '__version__ = "0.2.0"', '__version__ = "0.3.0"')
    commit(later)
    done = run(ejected, later)
    assert [path.name for path in (ejected / "deploy").glob("*.whl")] == ["nodrop-0.3.0-py3-none-any.whl"]
    lock = (ejected / "deploy" / "requirements.txt").read_text()
    assert lock.count("nodrop==") == 1
    assert "\nnodrop==0.3.0 \\\n" in lock
    assert {"deploy/nodrop-0.2.0-py3-none-any.whl", "deploy/nodrop-0.3.0-py3-none-any.whl"} <= {*done.changed}


def test_packages_without_a_hash_are_replaced_too(ejected: Path, nodrop: Path) -> None:
    def from_folder(name: str) -> Parts:
        def lock(_: Description, folder: Path) -> Lock:
            unhashed = {"requirements-unhashed.txt": f"./local/{name}\n", f"local/{name}/x": ""}
            write(folder, {"requirements.txt": PIN, **unhashed})
            return Lock(notes=(f"{name} is a folder",))

        return replace(parts(), lock=lock)

    eject(described(ejected), from_folder("old"), root=nodrop, force=True)
    commit(ejected)
    done = update(described(ejected), from_folder("new"), root=nodrop)
    assert (ejected / "deploy" / "requirements-unhashed.txt").read_text() == "./local/new\n"
    assert [path.name for path in (ejected / "deploy" / "local").iterdir()] == ["new"]
    assert "COPY deploy/local local" in (ejected / "Dockerfile").read_text()
    assert done.notes == ("new is a folder",)


def test_the_same_version_changes_nothing(ejected: Path, nodrop: Path) -> None:
    before = content(ejected)
    assert run(ejected, nodrop) == Updated((), (), ())
    assert content(ejected) == before
    assert git(ejected, "status", "--short") == ""


@pytest.mark.long
def test_the_choices_of_the_first_time_are_kept(ejected: Path, later: Path) -> None:
    git(ejected, "mv", "Dockerfile", "Dockerfile.mine")
    edit(ejected / "deploy" / ".answers.yml", "workflow: true", "workflow: false")
    (ejected / ".github" / "workflows" / "deploy.yml").unlink()
    commit(ejected)
    edit(
        later / "delivery" / "template" / "ejected" / ".github" / "workflows" / "deploy.yml",
        "name: deploy",
        "name: later",
    )
    commit(later)
    run(ejected, later)
    assert not (ejected / ".github" / "workflows" / "deploy.yml").exists()
    assert not (ejected / "Dockerfile").exists()


@pytest.mark.long
def test_a_folder_of_a_repository_is_updated_alone(ejected: Path, later: Path) -> None:
    top = ejected.parent
    git(ejected, "rev-parse", "HEAD")
    (ejected / ".git").rename(top / "moved")
    (top / "moved").rename(top / ".git")
    (top / ".gitignore").write_text("/later/\n")
    commit(top)
    edit(ejected / "Dockerfile", "EXPOSE 5000 5001\n", "EXPOSE 8000\n")
    commit(top)
    (top / "other.txt").write_text("not committed\n")
    edit(later / DOCKERFILE, "EXPOSE 5000 5001\n", "EXPOSE 5000 5001 5002\n")
    commit(later)
    assert run(ejected, later).conflicts == ("Dockerfile",)
    assert (top / "other.txt").read_text() == "not committed\n"


# --- Refused --------------------------------------------------------------------------------------------------------


def test_a_repository_without_the_files_is_refused(tmp_path: Path, nodrop: Path) -> None:
    with pytest.raises(Refused, match="make eject APP="):
        run(tmp_path, nodrop)


def test_a_folder_that_git_does_not_know_is_refused(ejected: Path, nodrop: Path) -> None:
    (ejected / ".git").rename(ejected.parent / "moved")
    with pytest.raises(Refused, match="run git init, git add --all and git commit"):
        run(ejected, nodrop)


def test_changes_that_are_not_committed_are_refused_and_listed(ejected: Path, nodrop: Path) -> None:
    (ejected / "app.py").write_text("app = None\n")
    (ejected / "new.py").write_text("")
    with pytest.raises(Refused, match=r"(?s) M app\.py\n\?\? new\.py\nCommit or stash them"):
        run(ejected, nodrop)
    assert (ejected / "app.py").read_text() == "app = None\n"


def test_a_version_that_the_checkout_does_not_have_is_refused(ejected: Path, nodrop: Path) -> None:
    answers = ejected / "deploy" / ".answers.yml"
    answers.write_text("_commit: '0123456'\n_src_path: nodrop\n")
    commit(ejected)
    with pytest.raises(Refused, match="was written by version 0123456 of nodrop, which this checkout doesn't have"):
        run(ejected, nodrop)


@pytest.mark.parametrize("text", ["", "a: [", "- a\n", "name: shop\n"])
def test_a_broken_answers_file_is_refused(text: str, ejected: Path, nodrop: Path) -> None:
    (ejected / "deploy" / ".answers.yml").write_text(text)
    commit(ejected)
    with pytest.raises(Refused, match="Restore it from git"):
        run(ejected, nodrop)


def test_an_older_checkout_is_refused(ejected: Path, later: Path) -> None:
    git(later, "checkout", "--quiet", "HEAD~1")
    before = content(ejected)
    with pytest.raises(Refused, match="this checkout is older: run git pull"):
        run(ejected, later)
    assert content(ejected) == before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("_src_path", "https://example.org/template.git", "names another template"),
        ("dockerfile", "../Dockerfile", "no path in the repository"),
    ],
)
def test_answers_that_lead_elsewhere_are_refused(ejected: Path, nodrop: Path, key: str, value: str, said: str) -> None:
    file = ejected / "deploy" / ".answers.yml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), key: value}))
    commit(ejected)
    with pytest.raises(Refused, match=said):
        run(ejected, nodrop)


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/values.yaml", "deploy/.answers.yml"])
def test_an_update_is_not_written_through_a_link(ejected: Path, later: Path, name: str) -> None:
    outside = Path(shutil.move(ejected / name, ejected.parent / "outside"))
    (ejected / name).symlink_to(outside)
    before = outside.read_bytes()
    commit(ejected)
    with pytest.raises(Refused, match="is a link"):
        run(ejected, later)
    assert outside.read_bytes() == before
