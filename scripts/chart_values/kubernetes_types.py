"""The types of Kubernetes, from its own JSON schemas, small enough for a chart and with what OpenAPI leaves out.

The schemas come with the package kubernetes-validate. kubernetes_rules.yaml adds what the API server checks besides.
"""

import json
import re
from functools import cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from chart_values.nodes import (
    Node,
    choice,
    list_of,
    map_of,
    number_range,
    reference,
    refusal,
    require,
    section,
    unless_null,
)

VERSION = "1.37.0"
_RULES = Path(__file__).parent / "tables" / "kubernetes_rules.yaml"
_SCALARS = {"Quantity": "quantity", "IntOrString": "intOrString", "Time": "text", "MicroTime": "text"}
"""Types that are no maps, and the forms that stand for them."""
_GROUPS = ("core.v1", "apps.v1", "autoscaling.v2", "networking.v1", "rbac.v1", "meta.v1")


@cache
def upstream() -> dict[str, Any]:
    """Kubernetes' definitions by the last part of their name, of the groups that pods are made of."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    found = json.loads((folder / "_definitions.json").read_text())["$defs"]
    wanted: dict[str, Any] = {}
    for name, node in found.items():
        group, _, kind = name.rpartition(".")
        if group.endswith(_GROUPS):
            assert kind not in wanted, f"two types are named {kind}"
            wanted[kind] = node
    return wanted


@cache
def _rules() -> dict[str, Any]:
    return dict(yaml.safe_load(_RULES.read_text()))


def definitions(names: set[str]) -> dict[str, Node]:
    """The types of these names, and all that they refer to."""
    found: dict[str, Node] = {}
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        found[name] = _type(name)
        inner = re.findall(r'"#/\$defs/([A-Z]\w*)"', json.dumps(found[name]))
        open_names |= set(inner) - found.keys()
    return found


def is_type(name: str) -> bool:
    """Whether Kubernetes has a type of this name."""
    return name in upstream()


def _type(name: str) -> Node:
    kubernetes = upstream()[name]
    if name in _rules()["open"]:
        return {"type": ["object", "null"]}
    only = _rules()["only"].get(name)
    required = kubernetes.get("required", [])
    properties = {
        field: _field(f"{name}.{field}", node, field in required)
        for field, node in kubernetes.get("properties", {}).items()
        if only is None or field in only
    }
    node = section(properties)
    required = sorted(set(required) | set(_rules()["required"].get(name, [])))
    require(node, required)
    if checks := _checks(name):
        node["allOf"] = checks
    return node


def _field(path: str, node: Node, required: bool) -> Node:
    """A field. Null stands for an absent one, so a field that is required can't be null."""
    rule = _rules()["fields"].get(path)
    if rule is None:
        return _plain(node, required)
    made = choice(rule) if isinstance(rule, list) else number_range(rule) if ".." in rule else reference(rule)
    if "array" in node.get("type", ()):
        return list_of(made)
    return made


def _plain(node: Node, required: bool) -> Node:
    """A node of Kubernetes' schemas without descriptions."""
    if "$ref" in node:
        kind = node["$ref"].rpartition(".")[2]
        scalar = kind in _SCALARS
        return reference(_SCALARS.get(kind, kind)) if scalar or required else unless_null(reference(kind))
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if "array" in types:
        return list_of(_plain(node["items"], True))
    if inner := node.get("additionalProperties"):
        return map_of(_plain(inner, False))
    if "string" in types:
        return reference("requiredText" if required else "text")
    if "integer" in types:
        return reference("int32" if node.get("format") == "int32" else "int64")
    return {"type": [*types, "null"] if "null" not in types else types}


def _checks(name: str) -> list[Node]:
    """What says which fields can't be together, and of which there must be one."""
    refused = _rules()["refused"].get(name, [])
    checks: list[Node] = [{"if": each["when"], "then": refusal(each["message"])} for each in refused]
    if message := _rules()["twoFields"].get(name):
        checks.append({"if": {"type": "object", "minProperties": 3}, "then": refusal(message)})
    for fields in _rules()["atMostOne"].get(name, []):
        pairs = [_present(name, pair) for pair in combinations(fields, 2)]
        checks.append({"if": {"anyOf": pairs}, "then": refusal(f"only one of {', '.join(fields)}")})
    for fields in _rules()["atLeastOne"].get(name, []):
        absent = {"not": {"anyOf": [_present(name, (field,)) for field in fields]}}
        checks.append({"if": {"type": "object", **absent}, "then": refusal(f"one with {' or '.join(fields)}")})
    return checks


def _present(name: str, fields: tuple[str, ...]) -> Node:
    """What says that the fields are there. In a list, whose entries Helm never merges, none is null on purpose."""
    required: Node = {"required": list(fields)}
    if name in _rules()["merged"]:
        required["properties"] = {field: {"not": {"type": "null"}} for field in fields}
    return required
