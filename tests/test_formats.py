"""A line by itself: any record is one valid line, of JSON or plain, and none controls a terminal."""

import json
import logging
import math
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodrop.logs.formats import JsonFormatter, PlainFormatter, cut

texts = st.text(st.characters())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.integers() | st.none(), inner, max_size=4),
    max_leaves=8,
)


@given(texts, st.dictionaries(texts, values, max_size=5), values)
def test_any_record_is_one_valid_line(message: str, extra: dict[str, Any], argument: Any) -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    record = logging.makeLogRecord({"msg": message + " %s", "args": (argument,), "name": "x", "levelname": "INFO"})
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line, parse_constant=no_constant)["level"] == "info"


@given(texts, st.dictionaries(texts, values, max_size=3))
def test_no_record_can_control_a_terminal_or_look_like_another(message: str, extra: dict[str, Any]) -> None:
    record = logging.makeLogRecord({"msg": message, "name": "x", "levelname": "INFO", "exc_info": None})
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    first, *others = PlainFormatter(colours=False).format(record).split("\n")
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO     x: ", first)
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in [first, *others])


@given(st.text(st.characters(), max_size=400), st.integers(10, 300))
def test_cut_keeps_within_its_size_and_keeps_what_fits(text: str, size: int) -> None:
    short = cut(text, size)
    assert len(json.dumps(short)) <= size
    assert short == text or (short.endswith("...") and len(json.dumps(text)) > size)


def test_values_that_json_has_no_word_for_are_said_in_another_way() -> None:
    deep: Any = "end"
    for _ in range(30):
        deep = [deep]
    odd = {"nan": math.nan, "large": 2**80, "set": {1}, "none": None, "yes": True, "half": 0.5, "deep": deep, 3: (1, 2)}
    record = logging.makeLogRecord({"name": "x", "msg": "m", "fields": ["no", "dict"], "odd": odd})
    said = json.loads(JsonFormatter().format(record))
    assert said["fields"] == ["no", "dict"]
    kept = {name: said["odd"][name] for name in ("nan", "large", "set", "none", "yes", "half", "3")}
    assert kept == {
        "nan": "nan", "large": str(2**80), "set": [1], "none": None, "yes": True, "half": 0.5, "3": [1, 2],
    }  # fmt: skip
