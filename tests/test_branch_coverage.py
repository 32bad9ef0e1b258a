"""The check that enough branches are covered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving_process import ROOT


def check(folder: Path, covered: int, total: int) -> subprocess.CompletedProcess[str]:
    """What the script says of a report with so many branches."""
    report = {
        "totals": {"covered_branches": covered, "num_branches": total},
        "files": {"app/a.py": {"summary": {"missing_branches": total - covered}}},
    }
    (folder / "report.json").write_text(json.dumps(report))
    script = [sys.executable, str(ROOT / "scripts" / "branch_coverage.py"), str(folder / "report.json")]
    return subprocess.run(script, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("covered", "total", "status"), [(951, 1000, 0), (950, 1000, 1), (0, 0, 1)])
def test_more_than_95_percent_of_the_branches_must_be_covered(
    tmp_path: Path, covered: int, total: int, status: int
) -> None:
    assert check(tmp_path, covered, total).returncode == status


def test_where_most_are_missing_is_named(tmp_path: Path) -> None:
    said = check(tmp_path, 900, 1000).stderr
    assert "900 of 1000 branches are covered, 90.00 %, and it must be more than 95 %" in said
    assert "app/a.py (100)" in said
