"""The schema of the values: that it follows from its sources, is small, and takes an empty key for a default."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import chart_values.__main__ as written
from chart_values import kubernetes_types
from chart_values.patterns import one_edit, whole_numbers
from chart_values.sharing import share
from chart_values.values_file import read_values
from chart_values.values_schema import FORMS, SOURCE, describe, fields_of
from nodrop.config.settings import ServingSettings
from tests.chart.refusing import messages, refused
from tests.chart.rendering import CHART, Object, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CHART_S_OWN = {"PORT", "MANAGEMENT_PORT", "GRACEFUL_TIMEOUT", "SECRETS_DIR", "PEER_SERVICE"}
"""Settings that the chart states itself."""
COMMENTED = """
# Not documented.
plain: 1
# -- First line,
# second line.
documented: a
group:
  # -- Nested.
  inner: [1, 2]
  other: {}
"""


def paths(values: Object, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key, sections included."""
    for key, value in values.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from paths(value, (*before, key))


def at(path: tuple[str, ...], value: Any) -> Object:
    """Values with `value` at this path."""
    for key in reversed(path):
        value = {key: value}
    return dict(value)


# --- What it is made of -----------------------------------------------------------------------------------------------


def test_comments_become_descriptions() -> None:
    values = read_values(COMMENTED)
    assert [(value.path, value.description, value.default) for value in values] == [
        (("documented",), "First line, second line.", "a"),
        (("group", "inner"), "Nested.", [1, 2]),
    ]


def test_a_value_that_the_schema_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="documented"):
        describe({"properties": {}}, read_values(COMMENTED))


def test_every_value_of_the_chart_is_documented() -> None:
    documented = {value.path for value in read_values((CHART / "values.yaml").read_text())}

    def undocumented(path: tuple[str, ...], value: object) -> list[tuple[str, ...]]:
        if path in documented:
            return []
        if isinstance(value, dict) and value:
            return [found for name, inner in value.items() for found in undocumented((*path, name), inner)]
        return [path]

    assert undocumented((), VALUES) == []


def test_what_follows_from_the_values_is_up_to_date() -> None:
    stale = [path.name for path, text in written.rendered().items() if Path(path).read_text() != text]
    assert stale == [], "run make docs"


def test_the_values_and_their_types_have_the_same_keys() -> None:
    """A type without a value would be a value that nobody finds. `enabled` is a parent chart's."""

    def keys(declared: Object, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, inner in fields_of(declared).items():
            yield (*before, name)
            if isinstance(inner, dict):
                yield from keys(inner, (*before, name))

    own = set(keys(SOURCE["values"]))
    inherited = {("migrations", name) for name in fields_of(SOURCE["sections"]["workload"])}
    missing = own - set(paths(VALUES)) - inherited - {("enabled",)}
    assert missing == set()


def test_it_is_small() -> None:
    """Every release keeps a compressed copy in its Secret, which may have 1 MiB."""
    text = (CHART / "values.schema.json").read_bytes()
    assert len(text) < 160_000
    assert len(gzip.compress(text)) < 30_000


def test_every_definition_is_used() -> None:
    used = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(SCHEMA)))
    assert used == SCHEMA["$defs"].keys()


def test_every_pattern_is_one_of_go() -> None:
    """Go's regular expressions have no look-around and no references, and Helm would say so at each install."""
    assert not re.search(r"\(\?[=!<]|\\\\[1-9]", json.dumps(SCHEMA))


def test_sharing_keeps_what_a_property_is_called() -> None:
    """A map of properties is no schema, even if it looks like one that is there twice."""
    long = {"if": {"type": "string"}, "else": {"const": "text. A number, true or false needs quotes"}}
    root = {"properties": {"a": {"properties": {"if": long}}, "b": {"items": long}}, "$defs": {}}
    shared = share(root)
    (name,) = shared["$defs"]
    assert shared["$defs"][name] == long
    assert shared["properties"]["a"] == {"properties": {"if": {"$ref": f"#/$defs/{name}"}}}


# --- Kubernetes' part ------------------------------------------------------------------------------------------------


def test_each_rule_is_about_a_field_that_kubernetes_has() -> None:
    rules = yaml.safe_load((CHART.parents[1] / "scripts/chart_values/tables/kubernetes_rules.yaml").read_text())
    for name in (*rules["required"], *rules["only"], *rules["open"], *rules["merged"], *rules["twoFields"]):
        assert kubernetes_types.is_type(name), name
    for field, rule in rules["fields"].items():
        kind, _, name = field.partition(".")
        assert name in kubernetes_types.upstream()[kind]["properties"], field
        assert isinstance(rule, list) or ".." in rule or rule in FORMS or rule in SOURCE["maps"], field
    for kind, conditions in rules["refused"].items():
        fields = {name for each in conditions for name in each["when"].get("properties", {})}
        assert fields <= kubernetes_types.upstream()[kind]["properties"].keys(), kind


def test_unknown_fields_are_refused_wherever_kubernetes_refuses_them() -> None:
    for name in ("Container", "Volume", "Toleration", "NodeAffinity", "Probe", "HPAScalingRules", "EnvVar"):
        said = SCHEMA["$defs"][name]["additionalProperties"]
        said = SCHEMA["$defs"][said["$ref"].rpartition("/")[2]] if "$ref" in said else said
        assert said["const"].startswith("one of the keys "), name


# --- The settings' part ----------------------------------------------------------------------------------------------


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 2 * 10**7))
def test_a_range_of_numbers_has_a_pattern(one: int, other: int, number: int) -> None:
    low, high = sorted((one, other))
    pattern = re.compile(whole_numbers(low, high))
    for each in (number, low - 1, low, low + 1, high - 1, high, high + 1):
        assert bool(pattern.fullmatch(str(each))) == (low <= each <= high)


@given(st.data())
def test_one_edit_of_a_name_is_recognized_and_the_name_is_not(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([each.variable for each in ServingSettings.declarations().values()]))
    position = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("AEST_9"))
    pattern = re.compile(one_edit(name))
    begin, end = name[:position], name[position + 1 :]
    edited = [
        begin + end,
        begin + letter + end,
        begin + letter + name[position:],
        begin + end[:1] + name[position] + end[1:],
    ]
    for each in edited:
        assert bool(pattern.match(each)) == (each != name), each


def test_no_setting_is_taken_for_another() -> None:
    names = [each.variable for each in ServingSettings.declarations().values()]
    assert [(one, other) for one in names for other in names if re.match(one_edit(one), other)] == []


def test_each_setting_s_default_is_accepted(helm4: Path) -> None:
    settings = [each for each in ServingSettings.declarations().values() if not each.secret]
    defaults = ServingSettings.from_environment({"GRACEFUL_TIMEOUT": "20"})
    config = {
        each.variable: str(each.kind.show(getattr(defaults, attribute)))
        for attribute, each in ServingSettings.declarations().items()
        if each in settings and each.variable not in CHART_S_OWN
    }
    assert refused(helm4, {"config": config}) == ""


NUMBERS = [
    attribute
    for attribute, each in ServingSettings.declarations().items()
    if each.kind.form.numbers and each.variable not in CHART_S_OWN
]


@pytest.mark.parametrize("attribute", NUMBERS)
def test_the_chart_accepts_the_numbers_that_the_server_accepts(helm4: Path, attribute: str) -> None:
    """Just outside and inside of each range, as numbers and as text."""
    declared = ServingSettings.declarations()[attribute]
    assert declared.kind.form.numbers
    accepted = declared.kind.accepted.replace("'", "\\'")
    low, high = declared.kind.form.numbers
    wrong = [value for each in (low - 1, high + 1) for value in (each, str(each))]
    for value in wrong:
        assert declared.kind.parse(str(value)) is None
        assert messages(refused(helm4, {"config": {declared.variable: value}})) == [
            f"at '/config/{declared.variable}': value must be '{accepted}'"
        ]
    for value in (low, high, str(low), f"0{high}", f" {low} "):
        said = messages(refused(helm4, {"config": {declared.variable: value}}))
        assert not [each for each in said if each.startswith("at ")], value


# --- Empty keys -------------------------------------------------------------------------------------------------------


REQUIRED = {("podSecurityContext", "seccompProfile", "type")}
"""Kubernetes requires it of what it stands in, which stays if only this is empty."""


@pytest.mark.parametrize("path", [p for p in paths(VALUES) if p[0] != "image" and p not in REQUIRED], ids=".".join)
def test_an_empty_key_is_accepted(helm: Path, path: tuple[str, ...]) -> None:
    """What is left of a section when its entries are commented out."""
    # Without a request there is no utilization to scale on.
    without_request = {"autoscaling": {"mode": "external"}} if path[0] == "resources" else {}
    render(helm, values={**without_request, **at(path, None)})


@pytest.mark.parametrize("section", ["workers", "cronJobs"])
def test_an_empty_entry_is_no_entry(helm: Path, section: str) -> None:
    """A null removes what a values file before it has."""
    whole = render(helm).objects
    assert render(helm, values={section: {"mail": None}}).objects == whole
