"""Which files declare the dependencies of an application, and what is in them."""

import hashlib
import json
from pathlib import Path

import pytest

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import find as finding
from delivery.detection.description import Style
from tests.detection.declared import find, refusal, write

PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask>=3"]\n'
BUILT = PROJECT + '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
BOTH = ("requirements.txt", "pyproject.toml")
POETRY = """
[tool.poetry]
name = "shop"
version = "1"
package-mode = false
[tool.poetry.dependencies]
python = "^3.11"
flask = "^3.0"
redis = { version = "~5.0", optional = true }
mysqlclient = { git = "https://example.org/mysqlclient.git", tag = "v2" }
[tool.poetry.extras]
queue = ["redis"]
[tool.poetry.group.dev.dependencies]
pytest = "*"
"""


def texts(folder: Path, files: dict[str, str], *names: str, extras: tuple[str, ...] = ()) -> list[str]:
    """The requirements that files declare."""
    found = finding.read(write(folder, files), names or tuple(files), extras)
    return [each.text for each in found.requirements]


@pytest.mark.parametrize(
    ("files", "style", "counting"),
    [
        ({"requirements.txt": "flask"}, Style.REQUIREMENTS, ("requirements.txt",)),
        ({"requirements/prod.txt": "", "requirements/dev.txt": ""}, Style.REQUIREMENTS, ("requirements/prod.txt",)),
        ({"requirements.in": "flask", "requirements.txt": "flask==3"}, Style.REQUIREMENTS, ("requirements.txt",)),
        ({"requirements.lock": "flask==3", "requirements.txt": "flask"}, Style.REQUIREMENTS, ("requirements.lock",)),
        ({"pyproject.toml": PROJECT}, Style.PYPROJECT, ("pyproject.toml",)),
        ({"requirements.txt": "", "pyproject.toml": PROJECT}, Style.REQUIREMENTS, BOTH),
        ({"pyproject.toml": "[tool.ruff]", "requirements.txt": "x"}, Style.REQUIREMENTS, ("requirements.txt",)),
        ({"setup.py": "from setuptools import setup\nsetup(install_requires=['flask'])"}, Style.SETUP, ("setup.py",)),
        ({"setup.cfg": "[options]\ninstall_requires =\n  flask"}, Style.SETUP, ("setup.cfg",)),
        ({"pdm.lock": "", "pyproject.toml": PROJECT}, Style.PDM_LOCK, ("pdm.lock",)),
        ({"Pipfile.lock": "{}", "Pipfile": ""}, Style.PIPFILE_LOCK, ("Pipfile.lock",)),
        ({"pylock.toml": "packages = []", "requirements.txt": "x"}, Style.PYLOCK, ("pylock.toml",)),
        ({"backend/requirements.txt": "flask", "README.md": ""}, Style.REQUIREMENTS, ("backend/requirements.txt",)),
        ({"wsgi.py": "import json\ndef application(environ, start): ..."}, Style.NONE, ()),
    ],
)  # fmt: skip
def test_the_files_that_count(tmp_path: Path, files: dict[str, str], style: Style, counting: tuple[str, ...]) -> None:
    found = find(tmp_path, files)
    assert (found.style, found.files) == (style, counting)


def test_files_that_the_configuration_names_come_first(tmp_path: Path) -> None:
    files = {"requirements.txt": "flask", "deploy/web.txt": "flask", "poetry.lock": "nonsense"}
    found = find(tmp_path, files, Configuration(requirements=("deploy/web.txt",)))
    assert found.files == ("deploy/web.txt",)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"app.py": ""}, Configuration(requirements=("prod.txt",)))
    assert problem.cause == "flask-app.toml: the requirements file prod.txt doesn't exist"


def test_imports_without_any_declaration_are_refused_with_what_to_write(tmp_path: Path) -> None:
    source = "import os, flask, yaml\nfrom flask_sqlalchemy import SQLAlchemy\nfrom shop import x\nfrom . import y\n"
    optional = "try:\n    import uwsgi\nexcept ImportError:\n    uwsgi = None\n"
    problem = refusal(tmp_path, {"app.py": source + optional, "shop/__init__.py": ""})
    assert problem.remedy == "Write requirements.txt with a line for each: flask, flask-sqlalchemy, PyYAML"
    assert problem.cause.endswith("(first in app.py:1)")


def test_an_environment_of_conda_alone_is_refused_with_what_to_write(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"environment.yml": "dependencies: [flask]", "app.py": "import flask"})
    assert "environment.yml is for conda, whose" in problem.cause
    assert "requirements.txt" in problem.remedy
    assert "flask" in problem.remedy


def test_a_pipfile_without_its_lock_is_refused(tmp_path: Path) -> None:
    assert "pipenv lock" in refusal(tmp_path, {"Pipfile": "[packages]\nflask = '*'\n"}).remedy


def test_several_folders_that_declare_are_a_choice(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"web/requirements.txt": "flask", "worker/requirements.txt": "celery"})
    assert [each.value for each in problem.candidates] == ["web/requirements.txt", "worker/requirements.txt"]


def test_a_project_by_poetry(tmp_path: Path) -> None:
    git = "mysqlclient @ git+https://example.org/mysqlclient.git@v2"
    assert texts(tmp_path, {"pyproject.toml": POETRY}) == ["flask (>=3.0,<4.0)", git]
    assert "redis (>=5.0,<5.1)" in texts(tmp_path, {"pyproject.toml": POETRY}, extras=("queue",))


def test_sources_of_uv(tmp_path: Path) -> None:
    project = """
[project]
name = "shop"
version = "1"
dependencies = ["flask", "cart[fast]>=1", "prices"]
[tool.uv.sources]
cart = { git = "https://example.org/cart", rev = "abc" }
prices = { workspace = true }
"""
    member = '[project]\nname = "prices"\nversion = "1"\n'
    repository = write(tmp_path, {"pyproject.toml": project, "packages/prices/pyproject.toml": member})
    found = finding.read(repository, ("pyproject.toml",))
    assert [each.text for each in found.requirements] == ["flask", "cart[fast] @ git+https://example.org/cart@abc", ""]
    assert found.requirements[2].local == "packages/prices"


WORKSPACE = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    "packages/prices/pyproject.toml": '[project]\nname = "prices"\nversion = "1"\n',
    "packages/shop/src/shop/__init__.py": "",
}


def test_a_member_of_a_workspace_that_needs_another_is_refused_with_the_lines_that_help(tmp_path: Path) -> None:
    project = PROJECT.replace("flask>=3", "prices") + "[tool.uv.sources]\nprices = { workspace = true }\n"
    write(tmp_path, {**WORKSPACE, "packages/shop/pyproject.toml": project})
    problem = refusal(tmp_path / "packages" / "shop", {})
    said = f"{problem.cause}. {problem.remedy}"
    assert f"takes prices from the workspace in {tmp_path}, which is outside of APP" in said
    assert f"APP={tmp_path}. Run there: uv export --package shop" in said
    assert 'root = "packages/shop/src", requirements = ["requirements-shop.txt"]' in said


def test_the_lock_of_a_workspace_that_does_not_count_is_noted(tmp_path: Path) -> None:
    write(tmp_path, {**WORKSPACE, "packages/shop/pyproject.toml": PROJECT})
    shop = tmp_path / "packages" / "shop"
    assert find(shop, {}).notes == ()
    (tmp_path / "uv.lock").touch()
    [note] = find(shop, {}).notes
    assert note.startswith(f"{tmp_path / 'uv.lock'} is not read, so versions are chosen anew")
    write(tmp_path, {"pyproject.toml": WORKSPACE["pyproject.toml"] + 'exclude = ["packages/shop"]\n'})
    assert find(shop, {}).notes == ()


def test_dynamic_dependencies_are_read_from_the_files_that_they_are_computed_from(tmp_path: Path) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\ndynamic = ["dependencies"]\n'
    setuptools = '[tool.setuptools.dynamic]\ndependencies = { file = ["deps.txt"] }\n'
    files = {"pyproject.toml": project + setuptools, "deps.txt": "flask\nredis\n"}
    assert texts(tmp_path, files, "pyproject.toml") == ["flask", "redis"]


@pytest.mark.parametrize(
    "setup",
    [
        "setup(install_requires=['flask', 'redis'])",
        "needed = ['flask', 'redis']\nsetup(install_requires=needed)",
        "setup(**{'install_requires': ['flask'] + ['redis']})",
        "setup(install_requires=open('deps.txt').read().splitlines())",
        "with open('deps.txt') as file:\n    needed = file.readlines()\nsetup(install_requires=needed)",
        "def needed():\n    return [line for line in open('deps.txt')]\nsetup(install_requires=needed())",
    ],
)
def test_what_a_setup_py_requires(tmp_path: Path, setup: str) -> None:
    files = {"setup.py": f"from setuptools import setup\n{setup}\n", "deps.txt": "flask\nredis\n"}
    assert texts(tmp_path, files, "setup.py") == ["flask", "redis"]


def test_what_a_setup_py_computes_is_left_to_its_build(tmp_path: Path) -> None:
    setup = "from setuptools import setup\nneeded = ['flask']\nneeded.append('redis')\nsetup(install_requires=needed)\n"
    found = finding.read(write(tmp_path, {"setup.py": setup}), ("setup.py",))
    assert (found.requirements, found.dynamic) == ([], "setup.py:4")


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({"pyproject.toml": BUILT}, True),
        ({"pyproject.toml": PROJECT}, False),
        ({"pyproject.toml": POETRY + '[build-system]\nrequires = ["poetry-core"]\n'}, False),
        ({"setup.py": "import setuptools\nsetuptools.setup(name='shop')"}, True),
        ({"requirements.txt": "flask"}, False),
    ],
)
def test_a_repository_that_can_be_built_is_a_package(tmp_path: Path, files: dict[str, str], package: bool) -> None:
    assert find(tmp_path, files).is_package is package


def test_the_repository_itself_among_its_requirements_stands_for_what_it_declares(tmp_path: Path) -> None:
    optional = '[project.optional-dependencies]\ndb = ["redis"]\n'
    assert texts(tmp_path, {"requirements.txt": "-e .[db]\n", "pyproject.toml": BUILT + optional}) == [
        "flask>=3",
        "redis",
    ]


def test_the_repository_itself_that_is_no_package_is_refused(tmp_path: Path) -> None:
    assert "requirements.txt:1 installs the repository" in refusal(tmp_path, {"requirements.txt": "-e .\n"}).cause


def test_an_extra_that_is_not_there_is_refused(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"pyproject.toml": PROJECT}, Configuration(extras=("db",)))
    assert problem.cause == "pyproject.toml has no extra 'db', which flask-app.toml lists"


def test_a_group_may_include_another(tmp_path: Path) -> None:
    groups = '[dependency-groups]\nweb = ["redis", { include-group = "log" }]\nlog = ["structlog"]\n'
    found = finding.read(write(tmp_path, {"pyproject.toml": PROJECT + groups}), ("pyproject.toml",), (), ("web",))
    assert [each.text for each in found.requirements] == ["flask>=3", "redis", "structlog"]


def test_a_stale_poetry_lock_is_said_with_what_is_missing(tmp_path: Path) -> None:
    lock = '[[package]]\nname = "flask"\nversion = "2.3.0"\n[metadata]\ncontent-hash = "x"\n'
    (note,) = find(tmp_path, {"pyproject.toml": POETRY, "poetry.lock": lock}).notes
    assert note == (
        "poetry.lock is older than pyproject.toml: it has flask 2.3.0, not <4.0,>=3.0."
        " `poetry lock` brings it up to date."
    )


def test_the_content_hash_of_poetry_tells_a_current_lock_from_a_stale_one(tmp_path: Path) -> None:
    # As Poetry 2 and 1 compute it for a project that is declared in [tool.poetry] alone.
    content = {
        "dependencies": {"python": "^3.11", "flask": "*"}, "dev-dependencies": None, "extras": None, "source": None,
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    project = '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "^3.11"\nflask = "*"\n'
    lock = f'[[package]]\nname = "flask"\nversion = "3.1.0"\n[metadata]\ncontent-hash = "{digest}"\n'
    assert find(tmp_path, {"pyproject.toml": project, "poetry.lock": lock}).notes == ()
    (note,) = find(tmp_path, {"poetry.lock": lock.replace(digest, "0" * 64)}).notes
    assert "content-hash" in note


def test_a_lock_file_and_requirements_that_contradict_are_said(tmp_path: Path) -> None:
    lock = 'version = 1\n[[package]]\nname = "flask"\nversion = "3.1.0"\nsource = { registry = "x" }\n'
    found = find(tmp_path, {"uv.lock": lock, "pyproject.toml": PROJECT, "requirements.txt": "flask==2.0.0\n"})
    assert found.notes == ("uv.lock is used; requirements.txt is ignored: flask 3.1.0 instead of 2.0.0.",)


def test_a_lock_that_was_kept_and_no_longer_agrees_is_said(tmp_path: Path) -> None:
    found = find(tmp_path, {"requirements.lock": "flask==3.0.0\n", "requirements.txt": "flask>=3.1\nredis\n"})
    assert found.notes == (
        "requirements.lock is older than requirements.txt: it has flask 3.0.0, not >=3.1; redis is not in it."
        " `make lock` brings it up to date.",
    )


def test_a_lock_file_with_a_merge_conflict_is_refused(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"poetry.lock": "<<<<<<< HEAD\n", "pyproject.toml": PROJECT})
    assert problem.cause == "poetry.lock has merge conflict markers"


@pytest.mark.parametrize(
    ("requirements", "apt", "apt_build"),
    [
        ("psycopg2", {"libpq5"}, {"libpq-dev", "gcc"}),
        ("psycopg2-binary", set(), set()),
        ("psycopg[binary]\npsycopg-binary", set(), set()),
        ("mysqlclient>=2", {"libmariadb3"}, {"default-libmysqlclient-dev", "pkg-config"}),
        ("WeasyPrint", {"libpango-1.0-0", "libpangoft2-1.0-0"}, set()),
        ("python_magic", {"libmagic1"}, set()),
        ("shop @ git+https://example.org/shop", set(), {"git"}),
        ("flask", set(), set()),
    ],
)
def test_what_wheels_leave_to_the_system(tmp_path: Path, requirements: str, apt: set[str], apt_build: set[str]) -> None:
    found = find(tmp_path, {"requirements.txt": requirements})
    assert apt <= {each.value for each in found.apt}
    assert apt_build <= {each.value for each in found.apt_build}
    assert bool(apt) == bool(found.apt)
    assert bool(apt_build) == bool(found.apt_build)


def test_the_configuration_s_packages_replace_those_that_are_found(tmp_path: Path) -> None:
    found = find(tmp_path, {"requirements.txt": "psycopg2"}, Configuration(apt=("curl",), apt_build=()))
    assert [each.value for each in found.apt] == ["curl"]
    assert found.apt_build == ()
