"""docs/speed.md's tables and docs/speed.svg, from docs/speed.json: `make docs`.

docs/speed.json is build/bench/bench.json of the run that is published: `make bench-publish` takes it over.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.figures import picture, report

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from generated import between, main  # noqa: E402 - needs the path set above

DOCS = ROOT / "docs"
START, END = "<!-- Written by `make docs` from docs/speed.json: -->", "<!-- until here. -->"


def rendered() -> dict[Path, str]:
    """The page and the picture, as they should be."""
    published = json.loads((DOCS / "speed.json").read_text())
    page = DOCS / "speed.md"
    return {
        page: between(page.read_text(), START, END, "\n" + report.as_markdown(published) + "\n"),
        DOCS / "speed.svg": picture.svg(published),
    }


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", "docs/speed.json", rendered))
