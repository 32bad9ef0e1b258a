"""Take build/bench/bench.json over to docs/speed.json, and show it on docs/speed.md: `make bench-publish`."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from bench.__main__ import FOLDER
from bench.figures import page
from bench.figures.report import disturbed
from bench.servers import CONTROL, SERVERS
from bench.workloads import PLAN


def faults(report: dict[str, Any]) -> list[str]:
    """Why a run says too little for the page: a part of the comparison, or one beside other work."""
    found = {(row["server"], row["title"]) for row in report["rows"]}
    missing = [(name, each.title) for name in SERVERS for each in PLAN if name != CONTROL]
    missing = [each for each in missing if each not in found]
    said = [f"{len(missing)} figures are missing, such as {': '.join(missing[0])}."] if missing else []
    return said + disturbed(report)


def main() -> int:
    """Returns the exit status: 1 if the run is not published."""
    figures = FOLDER / "bench.json"
    if not figures.exists():
        print("there are no figures yet: run make bench", file=sys.stderr)
        return 1
    if said := faults(json.loads(figures.read_text())):
        print(f"this run is not published: {' '.join(said)} Run make bench while nothing else runs.", file=sys.stderr)
        return 1
    shutil.copy(figures, page.DOCS / "speed.json")
    for path, text in page.rendered().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
