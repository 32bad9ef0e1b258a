"""An application's requirements and nodrop's become one file, pinned and hashed, by uv against the real index."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import find_dependencies
from delivery.detection.repository import Repository
from delivery.images.lock import LockError, keep, lock, uv
from delivery.images.lock.locking import Locked
from tests.images.locks import described, hashes, index, locked, pins, refusal, wheel, write

GUNICORN = version("gunicorn")
"""nodrop's."""


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as someone."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def package(name: str, *requires: str) -> str:
    """A pyproject.toml that flit builds."""
    return (
        f'[project]\nname = "{name}"\nversion = "1"\ndescription = "x"\ndependencies = {list(requires)}\n'
        '[build-system]\nrequires = ["flit_core>=3.12"]\nbuild-backend = "flit_core.buildapi"\n'
    )


def test_the_application_s_flask_counts_and_nodrop_s_gunicorn(tmp_path: Path) -> None:
    found = locked(tmp_path, {"requirements.txt": "flask==2.3.2\ngunicorn==20.1.0\n"})
    assert pins(found)["flask"] == "2.3.2"
    assert pins(found)["gunicorn"] == GUNICORN
    assert {"prometheus-client", "prometheus-flask-exporter", "werkzeug"} <= set(pins(found))
    assert len(hashes(found, "markupsafe")) > 20, "of wheels for every platform"
    assert found.notes[0] == (
        "gunicorn<28,>=27.0.1 replaces 20.1.0, which requirements.txt:2 requires:"
        " nodrop, which serves the application, depends on it."
    )
    assert (found.unhashed, found.built, found.apt_build) == (None, (), ())


HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.mark.long
def test_an_extra_of_a_dependency_installs_with_an_old_pip(tmp_path: Path) -> None:
    found = locked(tmp_path, {"requirements.txt": "msal==1.31.0\n", ".python-version": HERE})
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    pip = [str(tmp_path / "venv" / "bin" / "python"), "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "pip==23.2.1"], check=True)
    done = subprocess.run(
        [*pip, "install", "--dry-run", "--require-hashes", "--requirement", str(found.requirements)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^pyjwt\[crypto\]==", found.requirements.read_text(), re.MULTILINE)


def test_a_library_that_asks_for_an_older_gunicorn_stays_the_newest_and_is_named(tmp_path: Path) -> None:
    wheels = tmp_path / "repository" / "wheels"
    wheel(wheels, "test_of_a_tracker", "1.0")
    wheel(wheels, "test_of_a_tracker", "2.0", "gunicorn<27")
    found = locked(tmp_path, {"requirements.txt": "--find-links wheels\ntest-of-a-tracker\n"})
    assert found.unhashed is not None
    assert found.unhashed.read_text() == "./local/test_of_a_tracker-2.0-py3-none-any.whl\n"
    assert (found.unhashed.parent / "local" / "test_of_a_tracker-2.0-py3-none-any.whl").is_file()
    assert pins(found)["gunicorn"] == GUNICORN
    asked = r"gunicorn<28,>=27.0.1 replaces 26\.\S+, which is the newest that test-of-a-tracker allows"
    assert re.match(asked, found.notes[0])


def test_a_library_that_contradicts_nodrop_is_refused_not_replaced_by_an_old_release(tmp_path: Path) -> None:
    wheels = tmp_path / "repository" / "wheels"
    wheel(wheels, "test_of_a_tracker", "1.0")
    wheel(wheels, "test_of_a_tracker", "2.0", "flask<2")
    error = refusal(tmp_path, {"requirements.txt": "--find-links wheels\ntest-of-a-tracker\n"})
    assert str(error).startswith("test-of-a-tracker requires Flask 1.1.4, but nodrop supports flask>=2.0")


def test_an_old_flask_gets_the_werkzeug_that_it_works_with(tmp_path: Path) -> None:
    found = locked(tmp_path, {"requirements.txt": "flask==2.0.3\n"})
    assert pins(found)["flask"] == "2.0.3"
    assert Version(pins(found)["werkzeug"]) < Version("3")
    assert found.notes[0] == "werkzeug<3 is installed because Flask before 2.3 imports names that Werkzeug 3 removed."


def test_a_flask_that_nodrop_can_not_serve_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"requirements.txt": "flask==1.1.4\n"})
    assert str(error) == (
        "requirements.txt:1 requires Flask 1.1.4, but nodrop supports flask>=2.0. Raise it: `flask>=2.0`."
    )


def test_the_lock_is_for_the_image_s_python_not_this_one(tmp_path: Path) -> None:
    project = package("shop", "iniconfig; python_version >= '3.14'", "tomli; python_version < '3.14'")
    project = project.replace("description", 'requires-python = ">=3.14"\ndescription')
    found = locked(tmp_path, {"pyproject.toml": project, "shop.py": ""})
    assert "iniconfig" in pins(found)
    assert "tomli" not in pins(found)


def test_packages_without_wheels_are_built_with_what_they_need(tmp_path: Path) -> None:
    lines = "docopt==0.6.2\npsycopg2==2.9.10\nlxml\npython-snappy\n"
    found = locked(tmp_path, {"requirements.txt": lines})
    assert found.built == ("docopt", "psycopg2")
    assert {each.value for each in found.apt_build} == {"gcc", "libc6-dev", "libpq-dev", "pkg-config"}
    assert {each.value for each in found.apt} == {"libpq5"}


@pytest.mark.long
def test_a_package_of_pure_python_without_a_wheel_needs_no_compiler(tmp_path: Path) -> None:
    found = locked(tmp_path, {"requirements.txt": "docopt==0.6.2\n"})
    assert (found.built, found.apt_build) == (("docopt",), ())


def test_a_release_that_is_older_than_the_python_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"requirements.txt": "flask\nnumpy==1.24.4\n"})
    assert error.problem.cause.startswith(
        "numpy 1.24.4 (requirements.txt:2) has wheels for Python 3.11, but none for 3.13"
    )
    assert re.match(r"Choose Python 3\.11 .*, or raise it to numpy==2\.\S+, which has one", error.problem.remedy)
    assert error.problem.line == 'python = "3.11"'
    assert error.python == "3.11"


def test_what_only_an_older_python_can_install_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    wheel(tmp_path / "repository" / "wheels", "test_of_a_tracker", "1.0", python="cp312")
    error = refusal(tmp_path, {"requirements.txt": "--find-links wheels\ntest-of-a-tracker\n"})
    assert error.problem.line == 'python = "3.12"'
    assert "can't be resolved for Python 3.13, but can for 3.12" in str(error)


def test_a_name_that_no_index_has_is_refused_with_its_place(tmp_path: Path) -> None:
    wheels = {"requirements.txt": "--no-index\n\nno-such-thing\n"}
    error = refusal(tmp_path, wheels)
    assert error.problem.cause == "requirements.txt:3 requires no-such-thing, which the package index doesn't have"


def test_an_index_that_does_not_answer_is_said(tmp_path: Path) -> None:
    files = {"requirements.txt": "flask\n"}
    error = refusal(
        tmp_path, files, UV_HTTP_RETRIES="0", PIP_INDEX_URL="http://me:secret@127.0.0.1:9/simple", UV_NO_CACHE="1"
    )
    assert str(error).startswith("The package index can't be reached")
    assert "secret" not in str(error)


def test_packages_from_git_are_pinned_to_the_commit(tmp_path: Path) -> None:
    other = write(tmp_path / "cart", {"pyproject.toml": package("cart", "iniconfig"), "cart.py": '"""x"""'})
    git(other, "init", "--quiet")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "x")
    commit = git(other, "rev-parse", "HEAD").strip()
    found = locked(tmp_path, {"requirements.txt": f"git+file://{other}@HEAD#egg=cart\n"})
    assert found.unhashed is not None
    assert found.unhashed.read_text() == f"cart @ git+file://{other}@{commit}\n"
    assert "iniconfig" in pins(found)
    assert "cart" not in pins(found)
    assert "git" in {each.value for each in found.apt_build}


def test_a_folder_of_the_repository_is_copied(tmp_path: Path) -> None:
    cart = {"libs/cart/pyproject.toml": package("cart", "iniconfig"), "libs/cart/cart.py": '"""x"""'}
    found = locked(tmp_path, {"requirements.txt": "-e ./libs/cart\n", **cart})
    assert found.unhashed is not None
    assert found.unhashed.read_text() == "./local/cart\n"
    copied = found.unhashed.parent / "local" / "cart"
    assert sorted(each.name for each in copied.iterdir()) == ["cart.py", "pyproject.toml"]
    assert "iniconfig" in pins(found)


def test_dependencies_that_a_setup_py_computes_are_asked_of_the_build_of_a_copy(tmp_path: Path) -> None:
    setup = "from setuptools import setup\nneeded = []\nneeded.append('ini' + 'config')\n"
    setup += "setup(name='shop', version='1', py_modules=['shop'], install_requires=needed)\n"
    found = locked(tmp_path, {"setup.py": setup, "shop.py": ""})
    assert "iniconfig" in pins(found)
    assert "shop" not in pins(found)
    assert found.unhashed is None
    assert sorted(each.name for each in (tmp_path / "repository").iterdir()) == ["setup.py", "shop.py"]


def test_the_repository_itself_is_not_taken_from_an_index_for_a_plugin_that_asks_for_it(tmp_path: Path) -> None:
    wheel(tmp_path / "repository" / "wheels", "test_of_a_plugin", "1.0", "shop", "iniconfig")
    lines = "--find-links wheels\n-e .\n"
    found = locked(tmp_path, {"requirements.txt": lines, "pyproject.toml": package("shop", "test-of-a-plugin")})
    assert "iniconfig" in pins(found)
    assert "shop" not in pins(found)


def test_the_repository_itself_stands_for_its_dependencies(tmp_path: Path) -> None:
    found = locked(
        tmp_path, {"requirements.txt": "-e .\n", "pyproject.toml": package("shop", "iniconfig"), "shop.py": ""}
    )
    assert "iniconfig" in pins(found)
    assert found.unhashed is None


def test_a_package_that_only_another_index_has_and_its_password_in_no_file(tmp_path: Path) -> None:
    wheel(tmp_path / "served", "test_of_a_cart", "1.2")
    with index(tmp_path / "served", "me:secret") as other:
        line = f"--extra-index-url http://me:${{PIP_TOKEN}}@127.0.0.1:{other.port}/simple\n"
        found = locked(tmp_path, {"requirements.txt": f"{line}test-of-a-cart\niniconfig\n"}, PIP_TOKEN="secret")
        unset = refusal(tmp_path, {"requirements.txt": f"{line}test-of-a-cart\niniconfig\n"})
    assert pins(found)["test-of-a-cart"] == "1.2"
    assert len(hashes(found, "test-of-a-cart")) == 1
    assert "secret" in found.pip_conf
    assert f"127.0.0.1:{other.port}/simple" in found.pip_conf
    assert unset.problem.remedy == "Export PIP_TOKEN"
    written = [each for each in tmp_path.rglob("*") if each.is_file() and b"secret" in each.read_bytes()]
    assert written == []


def test_a_lock_is_kept_until_what_it_is_made_from_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[str]] = []

    def recorded(
        arguments: list[str], folder: Path, variables: Mapping[str, str], **more: Any
    ) -> subprocess.CompletedProcess[str]:
        runs.append(arguments)
        return uv.run(arguments, folder, variables, **more)

    monkeypatch.setattr("delivery.images.lock.resolution.run", recorded)
    description = described(tmp_path / "repository", {"requirements.txt": "iniconfig==2.0.0\n"})

    def made(upgrade: bool = False, output: str = "output") -> int:
        runs.clear()
        lock(description, tmp_path / output, cache=tmp_path / "cache", upgrade=upgrade)
        return len(runs)

    assert made() == 3
    assert made(output="again") == 0
    assert (tmp_path / "again" / "requirements.txt").read_bytes() == (
        tmp_path / "output" / "requirements.txt"
    ).read_bytes()
    (tmp_path / "repository" / "requirements.txt").write_text("iniconfig==2.1.0\n")
    assert made() == 3
    assert made(upgrade=True) == 3


def test_a_lock_is_kept_in_the_repository_on_request_and_counts_from_then_on(tmp_path: Path) -> None:
    description = described(tmp_path / "repository", {"requirements.txt": "iniconfig\n"})
    first = lock(description, tmp_path / "output", cache=tmp_path / "cache")
    assert "`make lock APP=... KEEP=1` keeps this lock there as requirements.lock" in first.notes[0]
    assert keep(description, first) == tmp_path / "repository" / "requirements.lock"
    repository = Repository(tmp_path / "repository")
    again = replace(description, dependencies=find_dependencies(repository, Configuration(), "3.13"))
    assert again.dependencies.files == ("requirements.lock",)
    second = lock(again, tmp_path / "output", cache=tmp_path / "cache")
    assert second.notes == ()
    assert pins(second)["iniconfig"]
    assert hashes(second, "gunicorn")


def test_a_lock_is_not_kept_through_a_link(tmp_path: Path) -> None:
    description = described(tmp_path / "repository", {"requirements.txt": "iniconfig\n"})
    made = tmp_path / "requirements.txt"
    made.write_text("iniconfig==2.0.0\n")
    (tmp_path / "repository" / "requirements.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(LockError) as refused:
        keep(description, Locked(made, ()))
    assert "is a link" in refused.value.problem.cause
    assert not (tmp_path / "outside").exists()
