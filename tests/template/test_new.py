"""`make new` writes an application that runs and whose own tests pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from delivery.ejection.new import new
from delivery.ejection.refusal import Refused


def test_a_new_application_passes_its_own_tests(nodrop: Path, tmp_path: Path) -> None:
    files = new(tmp_path / "shop", "shop", root=nodrop)
    assert {"app.py", "requirements.txt", "README.md", ".gitignore", "tests/test_app.py"} <= {*files}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "shop", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 passed" in tested.stdout, tested.stdout


def test_a_new_application_holds_nothing_of_how_it_is_deployed(nodrop: Path, tmp_path: Path) -> None:
    files = new(tmp_path / "shop", "shop", root=nodrop)
    assert not {name for name in files if name.startswith(("deploy", "Dockerfile", "Makefile", ".github"))}


@pytest.mark.parametrize("name", ["Shop", "my shop", "1shop", "shop-", "s" * 41, "../shop", ""])
def test_a_name_that_no_release_can_have_is_refused(name: str, nodrop: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="lower-case letters"):
        new(tmp_path / "shop", name, root=nodrop)
    assert not (tmp_path / "shop").exists()


def test_a_folder_with_files_is_left_alone(nodrop: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    with pytest.raises(Refused, match="not empty"):
        new(tmp_path, "shop", root=nodrop)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
