"""The schema of the chart's values, made from values_schema.yaml, forms.yaml and what they refer to."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from chart_values import kubernetes_types, patterns
from chart_values.nodes import Node, choice, list_of, number_range, reference, refusal, require, section
from chart_values.settings_schema import config_schema
from chart_values.sharing import share
from chart_values.unknown_keys import name_known_keys
from chart_values.values_file import Value

TABLES = Path(__file__).parent / "tables"


def load(name: str) -> dict[str, Any]:
    """The content of a YAML file of the folder tables."""
    return dict(yaml.safe_load((TABLES / name).read_text()))


SOURCE = load("values_schema.yaml")
FORMS = load("forms.yaml")


def schema(values: list[Value]) -> dict[str, Any]:
    """The whole schema, with the descriptions of `values`."""
    root = _section(SOURCE["values"])
    for path, names in load("other_names.yaml").items():
        node = root
        for name in filter(None, path.split(".")):
            node = node["properties"][name]
        node["properties"] |= {name: refusal(_instead(text)) for name, text in names.items()}
    describe(root, values)
    root["properties"]["global"]["additionalProperties"] = True
    found = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the flask-app chart",
        **root,
    }
    return {**found, "$defs": dict(sorted(_definitions(found).items()))}


def text(values: list[Value]) -> str:
    """The schema as it is stored: every installed release keeps a copy of it in its Secret."""
    return json.dumps(share(name_known_keys(schema(values))), separators=(",", ":"), ensure_ascii=False) + "\n"


def _instead(text: str) -> str:
    """What is said of a name of another chart. A text that begins with `absent` is all of it."""
    return text if text.startswith("absent") else f"under another name. Did you mean {text}?"


def describe(root: Node, values: list[Value]) -> None:
    """Add each value's description. Raises KeyError for a value the schema does not have."""
    for value in values:
        node = root
        for name in value.path:
            node = node["properties"][name]
        node["description"] = value.description


def _definitions(root: Node) -> dict[str, Node]:
    """What is referred to, by name."""
    found: dict[str, Node] = {}
    while missing := _references([root, found]) - found.keys():
        types = set(filter(kubernetes_types.is_type, missing))
        found |= kubernetes_types.definitions(types) | {name: _definition(name) for name in missing - types}
    return found


def _references(node: Any) -> set[str]:
    return set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(node)))


def _definition(name: str) -> Node:
    if name == "config":
        refused = load("settings_of_the_chart.yaml")
        return config_schema(refused["chart"], refused["names"])
    if name in FORMS:
        return form(FORMS[name])
    if name in SOURCE["maps"]:
        rule = SOURCE["maps"][name]
        return {
            "type": ["object", "null"],
            "patternProperties": {FORMS[rule["keys"]]["pattern"]: reference(rule["values"])},
            "additionalProperties": reference(rule["otherwise"]),
        }
    node = _section(SOURCE["sections"][name])
    require(node, SOURCE["required"].get(name, []))
    return node


def form(declared: dict[str, Any]) -> Node:
    """A form. One without a message is a JSON schema as it is."""
    if "message" not in declared:
        return declared
    accepts = dict(declared.get("accepts", {"type": "string"}))
    types = accepts["type"] if isinstance(accepts["type"], list) else [accepts["type"]]
    accepts["type"] = types if declared.get("required") else [*types, "null"]
    if "computed" in declared:
        accepts["pattern"] = getattr(patterns, declared["computed"])()
    if "pattern" in declared:
        accepts["pattern"] = declared["pattern"]
    if "limit" in declared:
        accepts["maxLength"] = declared["limit"]
    node: Node = {"if": accepts, "else": refusal(declared["message"])}
    for each in reversed(declared.get("refused", [])):
        node = {"if": {"type": "string", "pattern": each["pattern"]}, "then": refusal(each["message"]), "else": node}
    return node


def _section(declared: dict[str, Any]) -> Node:
    """A map of the chart's own: its fields, and those that it inherits."""
    inherited = declared.get("inherit", "")
    if kubernetes_types.is_type(inherited):
        node = kubernetes_types.definitions({inherited})[inherited]
    else:
        node = _section(SOURCE["sections"][inherited]) if inherited else section({})
    node["properties"] |= {name: _node(inner) for name, inner in declared.items() if name != "inherit"}
    return node


def fields_of(declared: dict[str, Any]) -> dict[str, Any]:
    """What values_schema.yaml says of the fields of a section, inherited ones included, but not those of Kubernetes."""
    section_name = declared.get("inherit")
    own = {name: inner for name, inner in declared.items() if name != "inherit"}
    inherited = SOURCE["sections"].get(section_name)
    return fields_of(inherited) | own if inherited else own


def _node(declared: Any) -> Node:
    """The schema of what values_schema.yaml says."""
    if isinstance(declared, dict):
        return _section(declared)
    if isinstance(declared, list):
        return list_of(_node(declared[0]))
    if " | " in declared:
        return choice([word.strip('"') for word in declared.split(" | ")])
    return number_range(declared) if ".." in declared else reference(declared)
