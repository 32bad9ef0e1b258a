"""The entries of a half of the corpus, and whether an answer agrees with what is written there."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HALVES = ("develop", "test")


@dataclass(frozen=True)
class Entry:
    """An application. What was found by reading it is described in README.md, key by key."""

    name: str
    version: str
    file: str
    """The file name of its source distribution."""
    sha256: str
    kind: str
    expected: tuple[str, ...]
    """Every right answer: `module:name`, `module:factory()`, or `refuse: why`."""
    root: str
    path: str
    """A URL path that answers with the least needed; empty if there is none."""
    needs: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    """Settings with which it starts alone; only where it needs any."""
    refusal: tuple[str, ...] = ()
    """Regular expressions that a right refusal contains: its cause and its remedy."""

    def accepts(self, reference: str, root: str) -> bool:
        """Whether serving `reference` from `root` is right."""
        return root == self.root and any(_agree(reference, each) for each in self.expected)

    def accepts_refusal(self, message: str) -> bool:
        """Whether refusing it with this message is right."""
        refusing = any(each.startswith("refuse") for each in self.expected)
        return refusing and all(re.search(each, message, re.IGNORECASE) for each in self.refusal)


def _agree(reference: str, expected: str) -> bool:
    """Whether they name the same. Arguments of a factory may be any that fit, but not left out."""
    if reference == expected:
        return True
    name, _, arguments = reference.partition("(")
    expected_name, _, expected_arguments = expected.partition("(")
    return name == expected_name and arguments not in ("", ")") and expected_arguments not in ("", ")")


def read(half: str) -> list[Entry]:
    """All entries of a half, in the order of the file."""
    tables = tomllib.loads((HERE / f"{half}.toml").read_text())["application"]
    return [Entry(**{key: _frozen(value) for key, value in each.items() if key in KNOWN}) for each in tables]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


KNOWN = Entry.__dataclass_fields__
