"""Makes a schema smaller: what is in it more than once is defined once."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from chart_values.nodes import Node, reference

_SHORTEST = 50
"""Characters of a node, below which a reference to it would save nothing."""
_NODES = ("if", "then", "else", "items", "additionalProperties", "not")
_LISTS = ("allOf", "anyOf", "oneOf")
_MAPS = ("properties", "patternProperties", "$defs")


def share(root: Node) -> Node:
    """The same schema with its repeated nodes among its definitions. References to definitions are no repetition."""
    counted: Counter[str] = Counter()

    def count(node: Node) -> Node:
        counted[_text(node)] += 1
        return node if counted[_text(node)] > 1 else with_each(node, count)

    with_each(root, count)
    names: dict[str, str] = {}
    shared: dict[str, Node] = {}

    def replace(node: Node) -> Node:
        text = _text(node)
        if counted[text] < 2 or len(text) < _SHORTEST:
            return with_each(node, replace)
        if text not in names:
            names[text] = f"s{len(names) + 1}"
            shared[names[text]] = with_each(node, replace)
        return reference(names[text])

    made = {**root, "properties": {name: replace(node) for name, node in root["properties"].items()}}
    made["$defs"] = {name: with_each(node, replace) for name, node in root["$defs"].items()} | shared
    return made


def _text(node: Any) -> str:
    return json.dumps(node, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def with_each(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each of the nodes directly below it changed."""
    if not isinstance(node, dict):
        return node
    made = dict(node)
    for key in made.keys() & set(_NODES):
        made[key] = change(made[key]) if isinstance(made[key], dict) else made[key]
    for key in made.keys() & set(_LISTS):
        made[key] = [change(each) for each in made[key]]
    for key in made.keys() & set(_MAPS):
        made[key] = {name: change(each) for name, each in made[key].items()}
    return made
