"""What is left for the user to do is told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.ejection.advice import advice
from delivery.ejection.checkout import Checkout
from tests.template.repositories import commit, described, write

WRITTEN = ["Dockerfile", "deploy/nodrop-0.2.0-py3-none-any.whl", "deploy/nodrop.mk", "deploy/values.yaml"]


def told(shop: Path, files: dict[str, str], *, left_out: tuple[str, ...] = (), pip_conf: str = "") -> str:
    """What is told of a repository that has these files besides those that were written."""
    write(shop, dict.fromkeys(WRITTEN, "") | files)
    return "\n".join(advice(described(shop.resolve()), WRITTEN, Checkout(shop, left_out), pip_conf))


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("Makefile", "test:\n\tpytest\n", "  include deploy/nodrop.mk"),
        ("GNUmakefile", "lint test: venv\n\truff\n", "  include deploy/nodrop.mk"),
        ("Makefile", "PORT := 8000\nrun:\n\tflask run\n", "  NODROP := nodrop-\n  include deploy/nodrop.mk"),
        ("makefile", "clean image: x\n", "  NODROP := nodrop-\n  include deploy/nodrop.mk"),
        ("Makefile", "image::\n\tx\n", "  NODROP := nodrop-\n  include deploy/nodrop.mk"),
        ("Makefile", "run := 1\ndeploy ::= 2\ndeploy-docs:\n\tx\n", "  include deploy/nodrop.mk"),
    ],
)
def test_a_makefile_gets_the_line_that_includes_the_targets_under_names_that_are_free(
    name: str, text: str, lines: str, tmp_path: Path
) -> None:
    expected = f"{name} is yours and was not edited. To include the targets, add:\n{lines}"
    assert told(tmp_path, {name: text}) == expected


def test_a_makefile_that_includes_the_targets_needs_no_advice(tmp_path: Path) -> None:
    assert told(tmp_path, {"Makefile": "include deploy/nodrop.mk\n"}) == ""


def test_a_repository_without_a_makefile_needs_no_advice(tmp_path: Path) -> None:
    assert told(tmp_path, {}) == ""


def test_files_that_git_ignores_are_named(tmp_path: Path) -> None:
    commit(write(tmp_path, {".gitignore": "*.whl\ndeploy/values.yaml\n"}))
    ignored = "deploy/nodrop-0.2.0-py3-none-any.whl, deploy/values.yaml"
    assert told(tmp_path, {}) == f"git ignores {ignored}. Add exceptions to .gitignore, so that they can be committed."


def test_nobody_is_told_to_commit_credentials(tmp_path: Path) -> None:
    commit(write(tmp_path, {".gitignore": ".env\nid_rsa\n*.mk\n"}))
    files = ["deploy/local/tool/.env", "deploy/local/tool/id_rsa", "deploy/nodrop.mk"]
    write(tmp_path, dict.fromkeys(files, ""))
    [advised] = advice(described(tmp_path.resolve()), files, Checkout(tmp_path, ()), "")
    assert advised.startswith("git ignores deploy/nodrop.mk. ")


def test_other_indexes_are_told_without_their_addresses(tmp_path: Path) -> None:
    told_of_extra = told(tmp_path, {}, pip_conf="[global]\nextra-index-url = https://user:password@example.com\n")
    assert "PIP_CONF=<path>" in told_of_extra
    assert "password" not in told_of_extra
    assert told(tmp_path, {}, pip_conf="[global]\nindex-url = https://mirror.example\n") == ""


def test_changes_of_nodrop_that_are_left_out_are_named(tmp_path: Path) -> None:
    expected = "The last commit of nodrop was used, without your uncommitted changes to copier.yml, template/x."
    assert told(tmp_path, {}, left_out=("copier.yml", "template/x")) == expected
