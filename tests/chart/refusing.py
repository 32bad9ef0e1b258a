"""What Helm says when it refuses values of the chart, one message at a time."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chart.rendering import IMAGE, Object, template

_OF_TEMPLATE = re.compile(r"execution error at \(\S+\): (.*)", re.DOTALL)
_OF_SCHEMA = re.compile(r"^ *- (at '.*)$", re.MULTILINE)
_HEADINGS = ("validation failed", "'allOf' failed")
"""What stands above several messages, which follow it."""


def merged(one: Object, other: Object) -> Object:
    """`one` with the values of `other`, as Helm merges values files."""
    result = dict(one)
    for key, value in other.items():
        mine = result.get(key)
        result[key] = merged(mine, value) if isinstance(value, dict) and isinstance(mine, dict) else value
    return result


def refused(helm: Path, values: Object) -> str:
    """The whole error with `values` beside an image. Empty if they are accepted."""
    done = template(helm, values=merged(IMAGE, values))
    return str(done.stderr) if done.returncode else ""


def messages(error: str) -> list[str]:
    """The messages of an error, without those that are headings of others, in order."""
    if found := _OF_TEMPLATE.search(error):
        return [found[1].partition("\n\nUse --debug")[0].strip()]
    return sorted(line for line in _OF_SCHEMA.findall(error) if not line.endswith(_HEADINGS))
