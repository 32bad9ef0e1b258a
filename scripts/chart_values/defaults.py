"""templates/_defaults.tpl: what an empty value stands for."""

import json
from typing import Any

import yaml

from chart_values.values_schema import SOURCE, fields_of

HEAD = """{{/* What a value stands for that is missing or empty. Written by `make docs` from values.yaml. Lists, and
     maps in Kubernetes syntax, are empty then. `worker` and `cronJob` are one entry of workers and cronJobs, without
     what an entry inherits. */}}
{{- define "flask-app.defaults" -}}
"""


def template(values_yaml: str) -> str:
    """The whole file."""
    defaults = {"values": _section(SOURCE["values"], yaml.safe_load(values_yaml)), **SOURCE["entryDefaults"]}
    return HEAD + "\n".join(_lines(defaults, 0)) + "\n{{- end }}\n"


def _section(declared: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The defaults of a section of the chart's own."""
    fields = fields_of(declared)
    found: dict[str, Any] = {}
    for name, default in defaults.items():
        if isinstance(default, dict):
            inner = fields.get(name)
            found[name] = _section(inner, default) if isinstance(inner, dict) else {}
        else:
            found[name] = [] if isinstance(default, list) else default
    return found


def _lines(values: dict[str, Any], depth: int) -> list[str]:
    """YAML whose scalars are JSON, so that nothing depends on how YAML reads them."""
    lines = []
    for name, value in values.items():
        indent = "  " * depth
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name}:", *_lines(value, depth + 1)]
        else:
            lines.append(f"{indent}{name}: {json.dumps(value)}")
    return lines
