"""Detection reads repositories that nobody vouches for: it stays inside of them, and comes to an end."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from delivery.detection.callables.production.own_commands import own_commands
from delivery.detection.callables.required import required
from delivery.detection.configuration import read as read_configuration
from delivery.detection.dependencies import lock_files, requirement_files
from delivery.detection.description import Undecided
from delivery.detection.reading import LARGEST_BYTES
from delivery.detection.repository import Repository
from delivery.detection.surroundings.declared import declared
from delivery.detection.surroundings.processes.celery import named_application
from delivery.detection.surroundings.processes.compose import services_of
from tests.detection.declared import find, refusal, write

DEEP = 100_000
"""Brackets within each other: more than Python's stack has room for."""
SECONDS = 5.0
"""CPU time. What is read here takes less than a tenth of it; before its readers were linear, it took minutes."""


def seconds(read: Callable[[], object]) -> float:
    """The CPU time that a reader takes."""
    start = time.process_time()
    read()
    return time.process_time() - start


@pytest.mark.parametrize("option", ["-r", "-c", "--requirement=", "--constraint "])
def test_a_file_outside_of_the_repository_is_neither_read_nor_repeated(tmp_path: Path, option: str) -> None:
    (tmp_path / "netrc").write_text("machine example.org login me password hunter2\n")
    problem = refusal(tmp_path / "shop", {"requirements.txt": f"{option} ../netrc\n"})
    assert "hunter2" not in str(problem)
    assert "../netrc is outside of the repository" in problem.cause
    assert "Copy ../netrc into the repository" in problem.remedy


def test_a_link_that_leads_outside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine example.org login me password hunter2\n")
    write(tmp_path / "shop", {"requirements.txt": "-r inner.txt\n"})
    (tmp_path / "shop/inner.txt").symlink_to("../netrc")
    with pytest.raises(Undecided, match="outside of the repository"):
        find(tmp_path / "shop", {})


def test_setup_cfg_names_no_file_outside(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("password hunter2\n")
    files = {"setup.py": "from setuptools import setup\nsetup()\n",
             "setup.cfg": "[metadata]\nname = shop\n[options]\ninstall_requires = file: ../netrc\n"}  # fmt: skip
    assert "outside of the repository" in refusal(tmp_path / "shop", files).cause


def test_a_folder_of_a_work_tree_shares_files_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "common.txt").write_text("flask\n")
    (tmp_path / "library").mkdir()
    repository = write(tmp_path / "shop", {"requirements.txt": "-r ../common.txt\n../library\n"})
    found = requirement_files.read(repository, "requirements.txt")
    assert [each.text or each.local for each in found.requirements] == ["flask", "../library"]
    assert find(tmp_path / "shop", {}).files == ("requirements.txt",)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, {"requirements.txt": "-r pipe.txt\n"})
    os.mkfifo(tmp_path / "pipe.txt")
    assert "pipe.txt can't be read: it is a pipe or a device" in refusal(tmp_path, {}).cause


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    problem = refusal(tmp_path, {"requirements.txt": "-r base.txt\n", "base.txt": "#" * (LARGEST_BYTES + 1)})
    assert problem.cause == "base.txt can't be read: it is larger than 2 MB"


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "../library\n"},
        {"requirements.txt": "-e ../library\n"},
        {"requirements.txt": "library @ file:../library\n"},
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = ["library"]\n'
                           '[tool.uv.sources]\nlibrary = {path = "../library"}\n'},
    ],
)  # fmt: skip
def test_a_local_path_outside_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "library").mkdir()
    problem = refusal(tmp_path / "shop", files)
    assert "names ../library, which is outside of the repository" in problem.cause
    assert "Copy it into the repository" in problem.remedy


def test_a_large_file_has_no_text_and_a_note(tmp_path: Path) -> None:
    repository = write(tmp_path, {"pyproject.toml": "#" * (LARGEST_BYTES + 1)})
    assert repository.pyproject == {}
    assert repository.unreadable == {"pyproject.toml": "it is larger than 2 MB"}


def found(repository: Repository) -> object:
    """What is declared in a repository."""
    return find(repository.folder, {})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pyproject.toml", "a = " + "[" * DEEP, "nested too deeply"),
        ("pyproject.toml", "a." * DEEP + "a = 1", "nested too deeply"),
        ("pyproject.toml", "'a'." * DEEP + "a = 1", "nested too deeply"),
        ("flask-app.toml", "a = " + "[" * DEEP, "nested too deeply"),
        ("Pipfile.lock", "[" * DEEP, "nested too deeply"),
        ("poetry.lock", "a = " + "[" * DEEP, "nested too deeply"),
        ("requirements.txt", "flask; " + "(" * DEEP, "isn't a valid requirement"),
    ],
)
def test_values_nested_too_deeply_are_an_error_with_the_files_name(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    repository = write(tmp_path, {name: text})
    readers: dict[str, Callable[[Repository], object]] = {
        "flask-app.toml": read_configuration,
        "Pipfile.lock": partial(lock_files.read, name=name),
        "poetry.lock": partial(lock_files.read, name=name),
    }
    reader = readers.get(name, found)
    with pytest.raises(Undecided) as caught:
        reader(repository)
    assert name in caught.value.problems[0].cause
    assert said in caught.value.problems[0].cause


def compose(folder: Path, text: str) -> Repository:
    """A repository of one compose file."""
    return write(folder, {"compose.yaml": text})


def test_services_share_keys_by_aliases(tmp_path: Path) -> None:
    repository = compose(
        tmp_path, "x-app: &app\n  build: .\nservices:\n  queue:\n    <<: *app\n    command: celery worker\n"
    )
    assert [(each.name, each.is_own) for each in services_of(repository)] == [("queue", True)]


def test_aliases_of_aliases_are_not_written_out(tmp_path: Path) -> None:
    lists = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 9))
    text = f"x0: &x0 [a, a]\n{lists}services:\n  web:\n    build: .\n    image: *x8\n"
    assert seconds(lambda: list(services_of(compose(tmp_path, text)))) < SECONDS


def test_merges_of_merges_are_refused(tmp_path: Path) -> None:
    maps = "".join(f"x{n}: &x{n}\n  <<: [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 9))
    repository = compose(tmp_path, f"x0: &x0\n  a: 1\n{maps}services:\n  web:\n    build: .\n")
    assert seconds(lambda: list(services_of(repository))) < SECONDS
    assert "keys are merged" in repository.unreadable["compose.yaml"]


def test_a_compose_file_nested_too_deeply_has_no_services(tmp_path: Path) -> None:
    repository = compose(tmp_path, "a: " + "[" * 5000)
    assert list(services_of(repository)) == []
    assert "compose.yaml" in repository.unreadable


LONG = 400 * (" " * 4000 + "!\n")


@pytest.mark.parametrize(
    ("name", "text", "reader"),
    [
        ("requirements.txt", LONG, lambda each: list(declared(each))),
        ("requirements.txt", 400 * ("[" * 4000 + "\n"), lambda each: list(declared(each))),
        ("requirements.txt", 400 * ("optional" * 500 + "\n"), lambda each: list(declared(each))),
        ("requirements.txt", 400 * ("a" + " " * 4000 + "?\n"), required),
        ("setup.py", "requires=[" * 50_000, required),
        ("setup.py", "console_scripts=[" * 50_000, own_commands),
    ],
)
def test_long_lines_take_time_in_proportion(
    tmp_path: Path, name: str, text: str, reader: Callable[[Repository], object]
) -> None:
    repository = write(tmp_path, {name: text})
    assert seconds(lambda: reader(repository)) < SECONDS


@pytest.mark.parametrize("line", ["a" + " " * 100_000 + "b", "a[b]" + " " * 100_000 + "b"])
def test_a_long_requirement_takes_time_in_proportion(tmp_path: Path, line: str) -> None:
    repository = write(tmp_path, {"requirements.txt": line})

    def read() -> None:
        with pytest.raises(Undecided):
            requirement_files.read(repository, "requirements.txt")

    assert seconds(read) < SECONDS


def test_a_long_line_about_celery_takes_time_in_proportion() -> None:
    assert seconds(lambda: named_application("celery -A a " * 30_000)) < SECONDS
    assert seconds(lambda: named_application("celery worker a " * 30_000)) < SECONDS


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("exec celery -A shop.tasks worker --loglevel=info", "shop.tasks"),
        ("/opt/venv/bin/celery --app=shop:celery --quiet worker", "shop:celery"),
        ("celery worker --loglevel=info -A shop.tasks", "shop.tasks"),
        ("celery -A shop.tasks beat", ""),
        ("worker celery -A shop.tasks", ""),
        ("rq worker -A shop", ""),
    ],
)
def test_the_application_that_a_line_gives_to_celery(line: str, name: str) -> None:
    assert named_application(line) == name
