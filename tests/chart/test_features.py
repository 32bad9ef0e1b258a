"""The comparison with other charts: what it says of this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "chart-features.md").read_text()
VALUES = yaml.safe_load((ROOT / "charts" / "flask-app" / "values.yaml").read_text())
COLUMNS = 10


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of all tables with this many columns, without their heads."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [row for row in found if len(row) == columns and not row[0].startswith(("---", "feature", "chart"))]


FEATURES = {row[0]: row[1] for row in rows(TEXT, COLUMNS)}
LEFT_OUT = {row[0]: row[1] for row in rows(TEXT.partition("## What this chart leaves out")[2], 2)}
NONE_HAS = TEXT.partition("## What none of them has")[2].partition("## ")[0]
PATHS = sorted(
    {path for text in [*FEATURES.values(), NONE_HAS] for path in re.findall(r"`([\w.]+)`", text)},
)


def exists(path: str) -> bool:
    """Whether values.yaml has a default at this path."""
    found: Any = VALUES
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return True


@pytest.mark.parametrize("path", PATHS)
def test_each_path_is_a_value_of_the_chart(path: str) -> None:
    assert exists(path)


def test_each_row_says_what_this_chart_has() -> None:
    """A value's path, what holds without a value, or no."""
    for feature, cell in FEATURES.items():
        assert cell in ("yes", "always", "no") or re.fullmatch(r"`[\w.]+`(, `[\w.]+`)*", cell), feature


def test_what_is_left_out_says_why() -> None:
    assert LEFT_OUT.keys() == {feature for feature, cell in FEATURES.items() if cell == "no"}
    assert all(reason.endswith(".") for reason in LEFT_OUT.values())


def test_no_value_of_the_chart_is_missing() -> None:
    """The table would sell the chart short, and a reader could not look its name up."""
    assert VALUES.keys() - {path.partition(".")[0] for path in PATHS} == set()


def test_every_chart_has_its_version() -> None:
    (head,) = {line for line in TEXT.splitlines() if line.startswith("| feature | flask-app")}
    columns = [name.strip() for name in head.strip("|").split("|")][2:]
    versions = rows(TEXT.partition("## ")[0], 2)
    assert [row[0].split(" common")[0].replace("-chart", "").replace(" application", "") for row in versions] == columns
    assert all(row[1] for row in versions)
