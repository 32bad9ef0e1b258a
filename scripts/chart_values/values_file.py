"""What values.yaml says of each value: the comment above it that begins with `# --`."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

_KEY = re.compile(r"( *)([A-Za-z]\w*):")


@dataclass(frozen=True)
class Value:
    """One documented value."""

    path: tuple[str, ...]
    description: str
    default: Any


def read_values(text: str) -> list[Value]:
    """The documented values of a values.yaml, in its order. A value without a comment is none of them."""
    defaults = yaml.safe_load(text)
    found: list[Value] = []
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            comment = [stripped.removeprefix("# --").strip()]
        elif stripped.startswith("#") and comment:
            comment.append(stripped.removeprefix("#").strip())
        elif match := _KEY.match(line):
            indent = len(match[1])
            parents = [parent for parent in parents if parent[0] < indent] + [(indent, match[2])]
            if comment:
                path = tuple(name for _, name in parents)
                default = defaults
                for name in path:
                    default = default[name]
                found.append(Value(path, " ".join(comment), default))
            comment = []
        else:
            comment = []
    return found
