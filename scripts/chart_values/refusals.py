"""docs/chart-refusals.md: wrong values, and what is said of each. The tests try every one of them."""

import json
from typing import Any

import yaml

import generated
from chart_values.values_schema import TABLES

HEAD = """# What the chart refuses

<!-- Written by `make docs` from scripts/chart_values/tables/refusals.yaml: change that. -->

`helm install`, `helm upgrade`, `helm template` and `helm lint` refuse values that the API server would refuse, that
contradict each other, or that would reach the pod as something else. Nothing is deployed then. Helm 4 and Helm 3 print
the same messages.

- A message that begins with `at '/image/tag'` comes from the schema and is about the value `image.tag`. Everything that
  the schema refuses is told at once. `~1` in a path stands for a slash.
- After `value must be`, the quotes hold a description of what is accepted, or what to set instead.
- The other messages are about values that contradict each other. Helm stops at the first.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    # Not the values but the nodes, which keep how they are written: 1.10 is not 1.1 to the reader.
    table = yaml.compose((TABLES / "refusals.yaml").read_text())
    assert table
    for heading, cases in table.value:
        rows = []
        for case in cases.value:
            (_, values), (_, says) = case.value
            rows.append(f"| {_code(_path(values))} | {_code(says.value)} |")
        parts.append(
            "\n".join([f"## {heading.value}\n", "| what you set | what you are told |", "| --- | --- |", *rows, ""])
        )
    return "\n".join(parts)


def _code(text: str) -> str:
    """A cell in a font for code. Text with backticks of its own stands between two."""
    text = generated.cell(text)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _path(node: Any) -> str:
    """A map on one line, with dots for the levels that have one key."""
    return ", ".join(_entry(key, value) for key, value in node.value)


def _entry(key: Any, value: Any) -> str:
    if isinstance(value, yaml.MappingNode) and len(value.value) == 1 and "." not in value.value[0][0].value:
        return f"{key.value}.{_path(value)}"
    return f"{key.value}: {_inline(value)}"


def _inline(node: Any) -> str:
    """A node in the form of a single line."""
    if isinstance(node, yaml.MappingNode):
        return "{" + ", ".join(f"{key.value}: {_inline(value)}" for key, value in node.value) + "}"
    if isinstance(node, yaml.SequenceNode):
        return "[" + ", ".join(map(_inline, node.value)) + "]"
    return str(node.value) if node.style is None else json.dumps(node.value, ensure_ascii=False)
