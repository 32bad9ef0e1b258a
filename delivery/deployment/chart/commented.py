"""Values of the chart as YAML, each under a comment that says where it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""What YAML takes for something else than text."""


@dataclass(frozen=True)
class Value:
    """A value of the chart. comment: where it comes from."""

    path: tuple[str, ...]
    value: object
    comment: str


def render(found: Sequence[Value], heading: str) -> str:
    """The values as YAML, each comment above its value. heading: sentences for the top, one a line."""
    tree: dict[str, Any] = {}
    for each in found:
        branch = tree
        for key in each.path[:-1]:
            branch = branch.setdefault(key, {})
        branch[each.path[-1]] = each
    lines = [*(f"# {line}".rstrip() for line in heading.splitlines()), *_lines(tree, "")]
    return "\n".join(lines) + "\n"


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in tree.items():
        name = key if _PLAIN.fullmatch(key) and key.lower() not in _WORDS else json.dumps(key)
        if isinstance(value, Value):
            # A comment is one line, whatever a place or a command has in it.
            yield f"{indent}# {' '.join(value.comment.split())}"
            yield f"{indent}{name}: {json.dumps(value.value, ensure_ascii=False)}"
        else:
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
