"""What is said of a key that a map does not have. Helm by itself names the key alone."""

import re

from chart_values.nodes import Node, refusal
from chart_values.patterns import one_edit
from chart_values.sharing import with_each

_LONG_ENOUGH = 5
"""Letters of a name, below which another name that differs in one is likely to be meant."""
_AT_THE_TOP = "absent. The chart has no value of this name: helm show values prints all of them"


def name_known_keys(root: Node) -> Node:
    """The same schema, which says of an unknown key what the keys of its map are; at the top, which one it is like."""
    made = with_each(root, _named)
    return {**made, "patternProperties": _misspelt(root), "additionalProperties": refusal(_AT_THE_TOP)}


def _misspelt(root: Node) -> Node:
    """Refuses the misspellings of the chart's values. One that is the name of something else is left alone."""
    names = root["properties"]
    patterns = {one_edit(name): name for name in _values(root) if len(name) >= _LONG_ENOUGH}
    return {
        pattern: refusal(f"under another name. Did you mean {name}?")
        for pattern, name in patterns.items()
        if not any(re.search(pattern, other) for other in names if other != name)
    }


def _values(node: Node) -> list[str]:
    """The keys of a map, without the names that other charts have for them."""
    return sorted(key for key, value in node.get("properties", {}).items() if "const" not in value)


def _named(node: Node) -> Node:
    made = with_each(node, _named)
    if made.get("additionalProperties") is not False:
        return made
    return {**made, "additionalProperties": refusal(f"absent. The keys here are {', '.join(_values(made))}")}
