"""How the locked requirements are sorted."""

from pathlib import Path

import pytest

from delivery.images.requirements import Local, sort

HASHED = "flask==3.1.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via shop\n"


def test_what_has_hashes_is_apart_from_what_has_none(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"# made by a tool\n{HASHED}mail @ git+https://example.com/mail@0a1b2c\n")
    found = sort(tmp_path / "lock", tmp_path)
    assert found.hashed == ["flask==3.1.3 --hash=sha256:aa --hash=sha256:bb"]
    assert found.unhashed == ["mail @ git+https://example.com/mail@0a1b2c"]


@pytest.mark.parametrize(
    "line",
    [
        "./libs/mail", "-e ./libs/mail", "--editable libs/../libs/mail".replace("libs/..", "./libs/.."),
        "mail @ file://{folder}/libs/mail", "mail[smtp] @ file://{folder}/libs/mail", "./libs/mail[smtp]",
    ],
)  # fmt: skip
def test_a_folder_is_found_however_it_is_written(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock").write_text(line.replace("{folder}", str(tmp_path)) + "\n")
    assert sort(tmp_path / "lock", tmp_path).local == [Local(tmp_path / "libs" / "mail", "")]


def test_the_marker_of_a_folder_is_kept_and_the_repository_itself_is_none(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("-e .\n.[dev]\n./libs/mail ; python_version < '3.12'\n")
    found = sort(tmp_path / "lock", tmp_path)
    assert found.local == [Local(tmp_path / "libs" / "mail", "python_version < '3.12'")]
    assert not found.hashed + found.unhashed


def test_indexes_are_taken_out_and_other_options_stay(tmp_path: Path) -> None:
    lines = ["-i https://a.example/simple", "--extra-index-url=https://u:p@b.example/simple", "--no-binary lxml"]
    (tmp_path / "lock").write_text("\n".join(lines))
    found = sort(tmp_path / "lock", tmp_path)
    assert found.indexes == [
        ("--index-url", "https://a.example/simple"),
        ("--extra-index-url", "https://u:p@b.example/simple"),
    ]
    assert found.hashed == ["--no-binary lxml"]
