"""Writes what follows from the chart's values: `make docs`. With --check, says what has drifted instead.

The schema, the defaults that templates fall back on, the table of charts/flask-app/README.md and the page of refusals.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not there by themselves when a folder is what Python was started with.
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

import generated  # noqa: E402  # needs the path set above
from chart_values import defaults, refusals, values_schema  # noqa: E402
from chart_values.values_file import Value, read_values  # noqa: E402

CHART = ROOT / "charts" / "flask-app"
TABLE_START, TABLE_END = "<!-- values: written by make docs -->", "<!-- end of values -->"


def table(values: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| value | default | what it does |", "| --- | --- | --- |"]
    for value in values:
        default = json.dumps(value.default).replace("|", "\\|")
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {generated.cell(value.description)} |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What each generated file should hold."""
    values_yaml = (CHART / "values.yaml").read_text()
    values = read_values(values_yaml)
    readme = (CHART / "README.md").read_text()
    return {
        CHART / "README.md": generated.between(readme, TABLE_START, TABLE_END, table(values)),
        CHART / "values.schema.json": values_schema.text(values),
        CHART / "templates" / "_defaults.tpl": defaults.template(values_yaml),
        ROOT / "docs" / "chart-refusals.md": refusals.page(),
    }


if __name__ == "__main__":
    sys.exit(generated.main("Write what follows from the chart's values.", "values.yaml", rendered))
