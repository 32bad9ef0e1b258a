"""Which package indexes and credentials the build gets."""

from pathlib import Path

import pytest

from delivery.images.errors import ImageError
from delivery.images.indexes import Sources, secrets, take_login
from tests.images.applications import write


def test_without_any_index_there_is_no_secret(tmp_path: Path) -> None:
    assert secrets(Sources(), {"PIP_CONFIG_FILE": "/dev/null"}, tmp_path) == {}


def test_the_indexes_of_pip_s_configuration_are_used(tmp_path: Path) -> None:
    write(tmp_path, {".config/pip/pip.conf": "[global]\nindex-url = https://mirror.example/simple\ntimeout = 5\n"})
    assert "index-url = https://mirror.example/simple\n" in secrets(Sources(), {}, tmp_path)["pip.conf"]
    assert "timeout" not in secrets(Sources(), {}, tmp_path)["pip.conf"]


def test_variables_take_precedence_over_files_and_requirements_over_both(tmp_path: Path) -> None:
    write(tmp_path, {".config/pip/pip.conf": "[global]\nindex-url = https://file.example/simple\n"})
    variables = {"PIP_INDEX_URL": "https://variable.example/simple"}
    assert "variable.example" in secrets(Sources(), variables, tmp_path)["pip.conf"]
    sources = Sources(options=[("--index-url", "https://requirements.example/simple")])
    made = secrets(sources, variables, tmp_path)["pip.conf"]
    assert "requirements.example" in made
    assert "variable.example" not in made


def test_a_variable_in_an_address_is_expanded_and_a_missing_one_named(tmp_path: Path) -> None:
    sources = Sources(options=[("--extra-index-url", "https://${PIP_TOKEN}@b.example/simple")])
    quiet = {"PIP_CONFIG_FILE": "/dev/null"}
    assert "https://abc@b.example/simple" in secrets(sources, {**quiet, "PIP_TOKEN": "abc"}, tmp_path)["pip.conf"]
    with pytest.raises(ImageError, match="needs the environment variable PIP_TOKEN, which is not set"):
        secrets(sources, quiet, tmp_path)


def test_only_the_hosts_that_packages_come_from_are_taken_out_of_netrc(tmp_path: Path) -> None:
    write(tmp_path, {".netrc": "machine b.example login u password p\nmachine bank.example login me password x\n"})
    sources = Sources(options=[("--index-url", "https://b.example/simple")])
    made = secrets(sources, {"PIP_CONFIG_FILE": "/dev/null"}, tmp_path)
    assert made["netrc"] == "machine b.example\nlogin u\npassword p\n"


def test_the_login_of_an_address_in_git_is_taken_out_of_the_requirement() -> None:
    line, logins, _ = take_login("mail @ git+https://${PIP_TOKEN}@git.example/mail@0a1b", {"PIP_TOKEN": "abc"})
    assert line == "mail @ git+https://git.example/mail@0a1b"
    assert logins == [("git.example", "abc", "x-oauth-basic")]


def test_of_an_npmrc_registries_and_tokens_are_taken_and_no_paths(tmp_path: Path) -> None:
    write(tmp_path, {".npmrc": "cafile=/etc/ca.pem\n", "shop/.npmrc": "//npm.example/:_authToken=${NPM_TOKEN}\n"})
    sources = Sources(frontend=tmp_path / "shop")
    made = secrets(sources, {"PIP_CONFIG_FILE": "/dev/null", "NPM_TOKEN": "abc"}, tmp_path)
    assert made == {"npmrc": "//npm.example/:_authToken=abc\n"}


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "TOKEN"])
def test_an_address_of_a_repository_reads_no_variable_that_is_not_about_packages(tmp_path: Path, name: str) -> None:
    variables = {"PIP_CONFIG_FILE": "/dev/null", name: "hunter2"}
    address = f"https://${{{name}}}@evil.example/simple"
    with pytest.raises(ImageError, match=f"names the environment variable {name}, and a repository may read"):
        secrets(Sources(options=[("--index-url", address)]), variables, tmp_path)
    with pytest.raises(ImageError, match=name):
        take_login(f"mail @ git+{address}", variables)
    write(tmp_path, {"shop/.npmrc": f"//evil.example/:_authToken=${{{name}}}\n"})
    with pytest.raises(ImageError, match=name):
        secrets(Sources(frontend=tmp_path / "shop"), variables, tmp_path)


def test_an_address_of_a_repository_reads_a_variable_that_the_user_s_own_configuration_names(tmp_path: Path) -> None:
    write(tmp_path, {".npmrc": "//npm.example/:_authToken=${TOKEN}\n", "shop/.npmrc": "//b/:_authToken=${TOKEN}\n"})
    made = secrets(Sources(frontend=tmp_path / "shop"), {"PIP_CONFIG_FILE": "/dev/null", "TOKEN": "abc"}, tmp_path)
    assert made == {"npmrc": "//b/:_authToken=abc\n"}


def test_of_the_user_s_npmrc_the_registries_alone_are_taken_that_the_lock_names(tmp_path: Path) -> None:
    lines = [
        "registry=https://mirror.example/npm/", "@acme:registry=https://acme.example/",
        "//mirror.example/npm/:_authToken=m", "//acme.example/:_authToken=a", "//bank.example/:_authToken=b",
    ]  # fmt: skip
    lock = '{"packages": {"node_modules/x": {\n"resolved": "https://acme.example/x.tgz"}}}'
    write(tmp_path, {".npmrc": "\n".join(lines), "shop/package-lock.json": lock})
    made = secrets(Sources(frontend=tmp_path / "shop"), {"PIP_CONFIG_FILE": "/dev/null"}, tmp_path)
    assert made["npmrc"].splitlines() == lines[:-1]
