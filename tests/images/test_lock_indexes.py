"""Addresses of indexes: from the environment and from files, to uv and to the build."""

from pathlib import Path

import pytest

from delivery.images.lock import LockError, indexes


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"PIP_INDEX_URL": "https://a/simple"}, "UV_DEFAULT_INDEX", "https://a/simple"),
        ({"PIP_INDEX_URL": "https://a", "UV_DEFAULT_INDEX": "https://b"}, "UV_DEFAULT_INDEX", "https://b"),
        ({"PIP_EXTRA_INDEX_URL": "https://a https://b"}, "UV_EXTRA_INDEX_URL", "https://a https://b"),
        ({}, "UV_INDEX_STRATEGY", "unsafe-best-match"),
        ({"UV_INDEX_STRATEGY": "first-index"}, "UV_INDEX_STRATEGY", "first-index"),
        ({}, "UV_PYTHON_DOWNLOADS", "never"),
    ],
)
def test_uv_gets_the_variables_of_pip(variables: dict[str, str], name: str, value: str) -> None:
    assert indexes.environment(variables)[name] == value


def test_pip_gets_the_addresses_of_files_and_of_both_tools() -> None:
    options = ["--extra-index-url https://me:secret@a/simple", "--pre"]
    variables = {"UV_DEFAULT_INDEX": "https://b/simple", "UV_INDEX": "inner=https://c/simple"}
    assert indexes.pip_conf(options, variables) == (
        "[global]\nindex-url = https://b/simple\nextra-index-url = https://me:secret@a/simple\n    https://c/simple\n"
    )
    assert indexes.pip_conf([], {}) == ""


def test_variables_in_an_address_are_replaced_and_a_missing_one_is_said(tmp_path: Path) -> None:
    option = "--index-url https://${PIP_USER_}:${UV_PASSWORD}@a/simple"
    found = indexes.expand(option, tmp_path, {"PIP_USER_": "me", "UV_PASSWORD": "secret"})
    assert found == "--index-url https://me:secret@a/simple"
    with pytest.raises(LockError, match="needs the environment variable PIP_USER_, which is not set"):
        indexes.expand(option, tmp_path, {})
    with pytest.raises(LockError, match="names the environment variable AWS_SECRET_ACCESS_KEY"):
        indexes.expand("--index-url https://${AWS_SECRET_ACCESS_KEY}@a", tmp_path, {"AWS_SECRET_ACCESS_KEY": "x"})


def test_what_identifies_a_lock_has_no_password() -> None:
    text = str(indexes.identity({"PIP_INDEX_URL": "https://me:secret@a/simple", "UV_INDEX_INNER_PASSWORD": "secret"}))
    assert "https://***@a/simple" in text
    assert "secret" not in text
