"""The schema of `config`, made from the declarations of nodrop's settings: their names, ranges and misspellings."""

from collections.abc import Mapping
from typing import Any

from chart_values.nodes import Node, refusal, unless_null
from chart_values.patterns import one_edit, whole_numbers
from nodrop.config.schema import Declaration
from nodrop.config.settings import ServingSettings
from nodrop.config.types import Form

_UNITS = {"": 1, "[Kk]": 1024, "[Mm]": 1024**2, "[Gg]": 1024**3, "[Tt]": 1024**4}
_LONG_ENOUGH = 8
"""Letters of a name, below which another name that differs in one is likely to be meant."""
_NEVER_EMPTY = {"WEB_CONCURRENCY"}
"""gunicorn reads it too, which does not take an empty text for an unset one."""


def config_schema(refused: Mapping[str, str], patterns: Mapping[str, str]) -> Node:
    """The schema of `config`.

    refused: what is said of a name, by the name. patterns: the forms of values by a pattern of their names.
    """
    known = {each.variable: each for each in ServingSettings.declarations().values() if not each.secret}
    own = {name: _setting(each) for name, each in known.items()}
    own |= {each.alias: _setting(each) for each in known.values() if each.alias}
    own |= {name: unless_null(refusal(message)) for name, message in refused.items()}
    by_pattern: dict[str, Node] = {pattern: {"$ref": f"#/$defs/{form}"} for pattern, form in patterns.items()}
    for name in known:
        if len(name) >= _LONG_ENOUGH:
            by_pattern[one_edit(name)] = refusal(f"under the name {name}, or in extraEnv if it is another variable")
    return {
        "type": ["object", "null"],
        "properties": own,
        "patternProperties": by_pattern,
        "additionalProperties": {"$ref": "#/$defs/configText"},
    }


def _setting(declaration: Declaration) -> Node:
    """What a setting accepts. What only Python can tell is left to the server, which refuses it at its start."""
    form = declaration.kind.form
    accepted: dict[str, Any] = {"type": ["string", "null"]}
    alternatives = []
    if form.numbers:
        accepted["type"].append("integer")
        accepted["minimum"], accepted["maximum"] = form.numbers
        alternatives.append(_numbers(form))
    if form.words:
        alternatives.append(f"(?i:{'|'.join(form.words)})")
        if "true" in form.words:
            accepted["type"] += ["boolean", "integer"]
            accepted["minimum"], accepted["maximum"] = 0, 1
    if form.pattern:
        alternatives.append(form.pattern)
    if alternatives:
        empty = "" if declaration.variable in _NEVER_EMPTY else "?"
        accepted["pattern"] = rf"^\s*(?:{'|'.join(alternatives)}){empty}\s*$"
    quoted = "" if form.numbers or "true" in form.words else ", as text in quotes"
    return {"if": accepted, "else": refusal(declaration.kind.accepted + quoted)}


def _numbers(form: Form) -> str:
    """The texts of the numbers, with units if they may have some."""
    assert form.numbers
    least, most = form.numbers
    if not form.units:
        return f"0*(?:{whole_numbers(least, most)})"
    found = []
    for unit, factor in _UNITS.items():
        low, high = -(-least // factor), most // factor
        if low <= high:
            found.append(f"0*(?:{whole_numbers(low, high)})" + (f" ?{unit}[Ii][Bb]?" if unit else ""))
    return "|".join(found)
