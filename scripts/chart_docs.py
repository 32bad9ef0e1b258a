"""Writes the chart's documentation from its values: `make docs`. With --check, says what has drifted instead.

The text of each value is the comment above it in values.yaml that begins with `# --`. It goes into the table of
charts/flask-app/README.md and, as `description`, into values.schema.json, where editors show it. Types and limits
are the schema's own.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import generated

CHART = Path(__file__).resolve().parents[1] / "charts" / "flask-app"
TABLE_START, TABLE_END = "<!-- values: written by make docs -->", "<!-- end of values -->"
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


def table(values: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| value | default | what it does |", "| --- | --- | --- |"]
    for value in values:
        default = json.dumps(value.default).replace("|", "\\|")
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {generated.cell(value.description)} |")
    return "\n".join(rows)


def describe(schema: dict[str, Any], values: list[Value]) -> dict[str, Any]:
    """The schema with each value's description. Raises KeyError for a value the schema does not have."""
    for value in values:
        node = schema
        for name in value.path:
            node = node["properties"][name]
        node["description"] = value.description
    return schema


def rendered() -> dict[Path, str]:
    """What each generated file should hold."""
    values = read_values((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    schema = describe(json.loads((CHART / "values.schema.json").read_text()), values)
    return {
        CHART / "README.md": generated.between(readme, TABLE_START, TABLE_END, table(values)),
        CHART / "values.schema.json": json.dumps(schema, indent=2) + "\n",
    }


if __name__ == "__main__":
    sys.exit(generated.main("Write the chart's documentation from its values.", "values.yaml", rendered))
