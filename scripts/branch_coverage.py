"""Fail unless enough branches of app/ and nodrop/ are covered: `python scripts/branch_coverage.py REPORT`.

REPORT is what `coverage json` writes. `coverage report --fail-under` is of lines and branches together, and rounds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LEAST = 95.0
SHOWN = 5


def shortfall(report: dict[str, Any]) -> str:
    """What is wrong with a report as `coverage json` writes it; empty if nothing is."""
    totals = report["totals"]
    covered, total = totals["covered_branches"], totals["num_branches"]
    if not total:
        return "no branches were measured: run coverage with branch = true"
    share = 100 * covered / total
    if share > LEAST:
        return ""
    missing = {name: file["summary"]["missing_branches"] for name, file in report["files"].items()}
    worst = sorted(missing, key=lambda name: -missing[name])[:SHOWN]
    return (
        f"{covered} of {total} branches are covered, {share:.2f} %, and it must be more than {LEAST:g} %. "
        f"Most are missing in {', '.join(f'{name} ({missing[name]})' for name in worst)}: test them"
    )


def main(report: Path) -> int:
    """Print what is wrong, or the share; returns the exit status."""
    content = json.loads(report.read_text())
    if problem := shortfall(content):
        print(problem, file=sys.stderr)
        return 1
    totals = content["totals"]
    print(f"branches covered: {100 * totals['covered_branches'] / totals['num_branches']:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
