"""The fenced YAML blocks of docs/recipes, each marked with what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes"
KINDS = {
    "values": "values of a release of the chart",
    "manifest": "an object that the reader applies by other means",
    "chart": "the Chart.yaml of a parent chart",
    "parent": "the values.yaml of that parent chart",
}
_FENCE = re.compile(r"^```yaml *(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    heading: str
    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}, {self.heading} ({self.number})"

    @property
    def content(self) -> Any:
        """What the YAML says."""
        return yaml.safe_load(self.text)


def blocks(*kinds: str) -> list[Block]:
    """The blocks of these kinds, or all, in the order of the pages."""
    found = []
    for page in sorted(RECIPES.glob("*.md")):
        text = page.read_text()
        for number, match in enumerate(_FENCE.finditer(text), start=1):
            heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
            found.append(Block(page.stem, heading, number, match[1], match[2]))
    return [block for block in found if not kinds or block.kind in kinds]


def block(page: str, heading: str) -> Any:
    """The content of the only block of values below this heading."""
    (found,) = [block for block in blocks("values") if (block.page, block.heading) == (page, heading)]
    return found.content
