"""Requirement files are read as pip reads them."""

from pathlib import Path

import pytest

from delivery.detection.dependencies import requirement_files
from delivery.detection.dependencies.declarations import Declarations
from delivery.detection.description import Undecided
from tests.detection.declared import write


def read(folder: Path, content: str, **others: str) -> Declarations:
    """What requirements.txt declares; others: more files, by the part before .txt."""
    files = {"requirements.txt": content, **{f"{name}.txt": text for name, text in others.items()}}
    return requirement_files.read(write(folder, files), "requirements.txt")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Flask==3.1.0  # the framework", "Flask==3.1.0"),
        ("redis[hiredis]>=5 ; python_version >= '3.8'", "redis[hiredis]>=5 ; python_version >= '3.8'"),
        ("git+https://example.org/shop.git@v1#egg=shop", "shop @ git+https://example.org/shop.git@v1"),
        ("-e git+https://example.org/a.git@v1#egg=a&subdirectory=b", "a @ git+https://example.org/a.git@v1#subdirectory=b"),
        ("shop @ https://example.org/shop-1.zip", "shop @ https://example.org/shop-1.zip"),
        ("git+ssh://git@example.org/shop.git", "git+ssh://git@example.org/shop.git"),
        ("flask \\\n    ==3.1.0 \\\n    --no-binary=:none:", "flask     ==3.1.0"),
    ],
)  # fmt: skip
def test_a_line(tmp_path: Path, line: str, text: str) -> None:
    (found,) = read(tmp_path, f"{line}\n").requirements
    assert (found.text, found.place) == (text, "requirements.txt:1")


def test_files_that_are_included_and_that_constrain(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "-r base.txt\n--constraint limits.txt\nredis\n",
        base="-r requirements.txt\nflask\n",
        limits="flask<4\n",
    )
    assert [(each.text, each.place) for each in found.requirements] == [
        ("flask", "base.txt:2"),
        ("redis", "requirements.txt:3"),
    ]
    assert [each.text for each in found.constraints] == ["flask<4"]
    assert found.files == ["requirements.txt", "base.txt", "limits.txt"]


def test_hashes_over_several_lines(tmp_path: Path) -> None:
    (found,) = read(
        tmp_path, "flask==3.1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n"
    ).requirements
    assert (found.text, found.hashes) == ("flask==3.1.0", ("sha256:aa", "sha256:bb"))


def test_options_for_the_resolver_are_kept_with_their_variables(tmp_path: Path) -> None:
    found = read(
        tmp_path, "-i https://a/simple\n--extra-index-url=https://${TOKEN}@b/simple\n--require-hashes\nflask\n"
    )
    assert found.options == ["--index-url https://a/simple", "--extra-index-url https://${TOKEN}@b/simple"]


def test_a_folder_and_a_wheel_of_the_repository(tmp_path: Path) -> None:
    write(tmp_path, {"lib/pyproject.toml": "", "wheels/a-1-py3-none-any.whl": ""})
    found = read(tmp_path, "-e ./lib[fast]\nwheels/a-1-py3-none-any.whl\nlib @ file:./lib\n")
    assert [(each.local, each.text) for each in found.requirements] == [
        ("lib", "[fast]"),
        ("wheels/a-1-py3-none-any.whl", ""),
        ("lib", ""),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_that_editors_and_powershell_write(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "requirements.txt").write_text("flask==3.1.0\r\nredis\r\n", encoding=encoding)
    found = requirement_files.read(write(tmp_path, {}), "requirements.txt")
    assert [each.text for each in found.requirements] == ["flask==3.1.0", "redis"]


def test_what_other_machines_left_in_a_file_is_left_out_and_said(tmp_path: Path) -> None:
    content = """pkg-resources==0.0.0
pywin32==306
pywinpty==2.0 ; sys_platform == "win32"
certifi @ file:///home/conda/feedstock_root/build_artifacts/certifi_1671487769961/certifi
idna @ file:///home/x/idna-3.4-py3-none-any.whl
"""
    found = read(tmp_path, content)
    assert [each.text for each in found.requirements] == [
        'pywinpty==2.0 ; sys_platform == "win32"',
        "certifi",
        "idna==3.4",
    ]
    assert found.notes == [
        "requirements.txt:1 is skipped: pkg-resources==0.0.0 is an artifact of Ubuntu's pip and isn't on PyPI.",
        "requirements.txt:2 is skipped: pywin32 is Windows-only.",
        "requirements.txt:4 refers to a path on another machine: certifi is installed from the package index instead.",
        "requirements.txt:5 refers to a path on another machine: idna==3.4 is installed from the package index "
        "instead.",
    ]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("flask\nflask = 3\n", "requirements.txt:2: 'flask = 3' isn't a valid requirement"),
        ("-r base.txt\n", "base.txt can't be read: No such file or directory"),
        ("-e ../common\n", "requirements.txt:1 refers to ../common, which doesn't exist"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(tmp_path: Path, content: str, cause: str) -> None:
    with pytest.raises(Undecided) as caught:
        read(tmp_path, content)
    assert caught.value.problems[0].cause.startswith(cause)
