"""What is said of a key that a map does not have: which keys it has. Helm by itself names the unknown one alone."""

from chart_values.nodes import Node, refusal
from chart_values.sharing import with_each


def name_known_keys(node: Node) -> Node:
    """The same schema with a message for the unknown keys of each map. Names of other charts are not listed."""
    made = with_each(node, name_known_keys)
    if made.get("additionalProperties") is not False:
        return made
    known = sorted(key for key, value in made.get("properties", {}).items() if "const" not in value)
    return {**made, "additionalProperties": refusal(f"one of the keys {', '.join(known)}")}
