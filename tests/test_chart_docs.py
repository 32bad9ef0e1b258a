"""The chart's generated documentation."""

from pathlib import Path

import chart_docs
import pytest
import yaml

VALUES = """
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


def test_comments_become_descriptions() -> None:
    values = chart_docs.read_values(VALUES)
    assert [(value.path, value.description, value.default) for value in values] == [
        (("documented",), "First line, second line.", "a"),
        (("group", "inner"), "Nested.", [1, 2]),
    ]


def test_a_value_that_the_schema_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="documented"):
        chart_docs.describe({"properties": {}}, chart_docs.read_values(VALUES))


def test_every_value_of_the_chart_is_documented() -> None:
    text = (chart_docs.CHART / "values.yaml").read_text()
    documented = {value.path for value in chart_docs.read_values(text)}

    def undocumented(path: tuple[str, ...], value: object) -> list[tuple[str, ...]]:
        if path in documented:
            return []
        if isinstance(value, dict) and value:
            return [found for name, inner in value.items() for found in undocumented((*path, name), inner)]
        return [path]

    assert undocumented((), yaml.safe_load(text)) == []


def test_the_chart_s_files_are_up_to_date() -> None:
    stale = [path.name for path, text in chart_docs.rendered().items() if Path(path).read_text() != text]
    assert stale == [], "run make docs"
