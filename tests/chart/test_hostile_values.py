"""No text in the values escapes its place: whatever it is, it becomes that one text or is refused."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, EXAMPLES, KUBERNETES, Object

HOSTILE = [
    "a\n      hostNetwork: true\nb: c\n---\nkind: Pod\n",
    "- {{ .Release.Name }} \"b\" 'c' [d, {e: # f}] &g *h !!i $(HOME) $$(HOME) $$\t\u2028 \U0001f600 #",
    "yes",
]
Path_ = tuple[str | int, ...]
TEMPLATED = ("extraObjects",)
"""What may have templates on purpose."""


def leaves(value: Any, before: Path_ = ()) -> Iterator[Path_]:
    """The path of every text."""
    if isinstance(value, str):
        yield before
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*before, key))


def replaced(values: Any, path: Path_, text: str) -> Any:
    """The values with `text` at this path."""
    changed = copy.deepcopy(values)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = text
    return changed


def objects(helm: Path, values: Object) -> list[Object] | None:
    """What Helm renders without asking the schema; None if it is refused."""
    done = subprocess.run(
        [str(helm), "template", "web", str(CHART), "--namespace", "shop", "--kube-version", KUBERNETES[-1],
         "--skip-schema-validation", "--values", "-"],
        input=yaml.safe_dump(values), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        return None
    return [o for o in yaml.safe_load_all(done.stdout) if o]


def shape(value: Any) -> Any:
    """The keys of maps, the lengths of lists, and the kinds of everything else."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def expanded(text: str) -> str:
    """What Kubernetes makes of $$ in a variable that refers to no other."""
    return text.replace("$$", "$")


CASES = [
    pytest.param(example, path, id=f"{example.stem}:{'.'.join(map(str, path))}")
    for example in EXAMPLES
    for path in leaves(yaml.safe_load(example.read_text()))
    if path[0] not in TEMPLATED
]


@pytest.mark.parametrize(("example", "path"), CASES)
def test_a_hostile_text_stays_where_it_is(helm4: Path, example: Path, path: Path_) -> None:
    """The objects have the same shape as before, or Helm refuses the text. The schema would have refused most of it."""
    values = yaml.safe_load(example.read_text())
    before = objects(helm4, replaced(values, path, "harmless")) or objects(helm4, values)
    assert before is not None
    for text in HOSTILE:
        after = objects(helm4, replaced(values, path, text))
        assert after is None or shapes(after) == shapes(before), text


def shapes(found: list[Object]) -> list[str]:
    """The shapes of the objects, in an order that no text changes."""
    return sorted(json.dumps(shape(o), sort_keys=True) for o in found)


@pytest.mark.parametrize(
    "text", [*HOSTILE, "{{ 1 }}", "# a", "\ta\t", "pa$$word", "a\\n", "1.10", "0755", "12345678901234567890", ""]
)
def test_config_arrives_as_it_is_written(helm: Path, text: str) -> None:
    values = {"image": {"repository": "shop"}, "config": {"A": text}}
    rendered = objects(helm, values)
    assert rendered
    (deployment,) = [o for o in rendered if o["kind"] == "Deployment"]
    (entry,) = [e for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"] if e["name"] == "A"]
    assert "$" not in entry["value"].replace("$$", ""), "nothing is left that Kubernetes would expand"
    assert expanded(entry["value"]) == text


@pytest.mark.parametrize("number", [0, 64, 1000000, 1099511627776])
def test_a_setting_s_number_arrives_in_digits(helm: Path, number: int) -> None:
    rendered = objects(helm, {"image": {"repository": "shop"}, "config": {"HSTS_SECONDS": number}})
    assert rendered
    (deployment,) = [o for o in rendered if o["kind"] == "Deployment"]
    env = {e["name"]: e["value"] for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["HSTS_SECONDS"] == str(number)
