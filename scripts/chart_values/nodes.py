"""The pieces that schemas are made of."""

from typing import Any

Node = dict[str, Any]
NULL: Node = {"type": "null"}


def refusal(message: str) -> Node:
    """What nothing fulfils. Helm says: at '/path': value must be '<message>'."""
    return {"const": message}


def unless_null(node: Node) -> Node:
    """What is null, or fulfils `node`. Not anyOf, of which Helm would say what is wrong with each alternative."""
    return {"if": NULL, "else": node}


def reference(name: str) -> Node:
    """What fulfils the definition of this name."""
    # Draft 7 calls it `definitions`, and refers to any place: there are a thousand references.
    return {"$ref": f"#/$defs/{name}"}


def list_of(node: Node) -> Node:
    """A list, or null. An entry that is null is refused, since Kubernetes takes it for an empty one."""
    entry = {"if": NULL, "then": reference("emptyEntry"), "else": node}
    return {"type": ["array", "null"], "items": entry}


def section(properties: dict[str, Node]) -> Node:
    """A map with these keys and no others, or null."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def map_of(node: Node) -> Node:
    """A map with any keys, or null."""
    return {"type": ["object", "null"], "additionalProperties": node}


def choice(words: list[str]) -> Node:
    """One of the words, or null."""
    return unless_null({"enum": words})


def number_range(text: str) -> Node:
    """A whole number in a range that is written as 1..10, or 1.. without an end; or null."""
    low, _, high = text.partition("..")
    return {
        "type": ["integer", "null"],
        **({"minimum": int(low)} if low else {}),
        **({"maximum": int(high)} if high else {}),
    }


def require(node: Node, names: list[str]) -> None:
    """Make fields of a section required. Null, which stands for an absent one, is refused too."""
    if names:
        node["required"] = names
    for name in names:
        field = node["properties"][name]
        node["properties"][name] = {"if": NULL, "then": reference("requiredField"), "else": field}
