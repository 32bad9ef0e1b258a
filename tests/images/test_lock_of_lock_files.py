"""The lock file of a repository is honoured as it is: its versions, its hashes, what is for the image's Python."""

import json
from pathlib import Path

import pytest

from tests.images.locks import hashes, locked, pins

SHA = "b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"
"""Of the wheel of iniconfig 2.0.0, which is not the newest. No lock here allows the source archive."""
FILE = "https://example.org/iniconfig-2.0.0-py3-none-any.whl"
PROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["iniconfig"]
[dependency-groups]
dev = ["pytest"]
"""
POETRY = """
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
python = "^3.11"
iniconfig = ">=1"
tomli = { version = "*", python = "<3.12" }
"""
UV = f"""
version = 1
revision = 2
requires-python = ">=3.11"
[[package]]
name = "iniconfig"
version = "2.0.0"
source = {{ registry = "https://example.org/simple" }}
wheels = [{{ url = "{FILE}", hash = "sha256:{SHA}" }}]
[[package]]
name = "pytest"
version = "8.0.0"
source = {{ registry = "https://example.org/simple" }}
[[package]]
name = "shop"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "iniconfig" }}]
[package.dev-dependencies]
dev = [{{ name = "pytest" }}]
"""
OF_POETRY = f"""
[[package]]
name = "iniconfig"
version = "2.0.0"
python-versions = ">=3.7"
groups = ["main", "dev"]
files = [{{ file = "iniconfig-2.0.0-py3-none-any.whl", hash = "sha256:{SHA}" }}]
[[package]]
name = "tomli"
version = "2.0.1"
python-versions = ">=3.7"
groups = ["main"]
markers = "python_version < \\"3.12\\""
files = []
[[package]]
name = "pytest"
version = "8.0.0"
python-versions = ">=3.8"
groups = ["dev"]
files = []
[metadata]
lock-version = "2.1"
python-versions = "^3.11"
content-hash = "x"
"""
OF_OLD_POETRY = OF_POETRY.replace('groups = ["main", "dev"]\n', "").replace('groups = ["main"]\n', "")
OF_OLD_POETRY = OF_OLD_POETRY.replace('groups = ["dev"]\n', "").replace('"2.1"', '"2.0"')
PDM = f"""
[metadata]
groups = ["default", "dev"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
[[package]]
name = "iniconfig"
version = "2.0.0"
requires_python = ">=3.7"
groups = ["default", "dev"]
files = [{{ file = "iniconfig-2.0.0-py3-none-any.whl", hash = "sha256:{SHA}" }}]
[[package]]
name = "tomli"
version = "2.0.1"
groups = ["default"]
marker = "python_version < \\"3.12\\""
[[package]]
name = "pytest"
version = "8.0.0"
groups = ["dev"]
"""
PIPFILE = {
    "_meta": {"requires": {"python_version": "3.13"}, "sources": []},
    "default": {
        "iniconfig": {"version": "==2.0.0", "hashes": [f"sha256:{SHA}"], "index": "pypi"},
        "tomli": {"version": "==2.0.1", "markers": "python_version < '3.12'"},
    },
    "develop": {"pytest": {"version": "==8.0.0"}},
}
PYLOCK = f"""
lock-version = "1.0"
created-by = "test"
[[packages]]
name = "iniconfig"
version = "2.0.0"
wheels = [{{ url = "{FILE}", hashes = {{ sha256 = "{SHA}" }} }}]
[[packages]]
name = "tomli"
version = "2.0.1"
marker = "python_version < '3.12'"
"""


@pytest.mark.parametrize(
    "files",
    [
        {"uv.lock": UV, "pyproject.toml": PROJECT},
        {"poetry.lock": OF_POETRY, "pyproject.toml": POETRY},
        {"poetry.lock": OF_OLD_POETRY, "pyproject.toml": POETRY},
        {"pdm.lock": PDM, "pyproject.toml": PROJECT},
        {"Pipfile.lock": json.dumps(PIPFILE), "Pipfile": "[packages]\niniconfig = '*'\n"},
        {"pylock.toml": PYLOCK},
        {"requirements.txt": f"iniconfig==2.0.0 --hash=sha256:{SHA}\ntomli==2.0.1 ; python_version < '3.12'\n"},
    ],
    ids=["uv", "poetry", "old poetry", "pdm", "pipenv", "pylock", "pip-tools"],
)
def test_a_lock_file_is_honoured(tmp_path: Path, files: dict[str, str]) -> None:
    found = locked(tmp_path, files)
    assert pins(found)["iniconfig"] == "2.0.0"
    assert hashes(found, "iniconfig") == {f"sha256:{SHA}"}
    assert not {"tomli", "pytest"} & set(pins(found))
    assert {"gunicorn", "flask"} <= set(pins(found))
    assert found.notes == ()


def test_what_a_stale_lock_leaves_open_is_said(tmp_path: Path) -> None:
    project = POETRY.replace('iniconfig = ">=1"', 'iniconfig = ">=1"\npathspec = "*"')
    found = locked(tmp_path, {"poetry.lock": OF_POETRY, "pyproject.toml": project})
    assert pins(found)["iniconfig"] == "2.0.0"
    assert found.notes == ("poetry.lock doesn't pin pathspec: the newest release is installed.",)
