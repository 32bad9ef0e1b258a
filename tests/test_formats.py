"""A line by itself: any record is one valid line, of JSON or plain, and none controls a terminal."""

import json
import logging
import math
import re
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodrop.logs.formats import MAX_LINE_BYTES, JsonFormatter, PlainFormatter, cut

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


def test_an_argument_whose_place_is_not_known_is_formatted_as_it_is() -> None:
    record = logging.makeLogRecord({"msg": "password=%s, in a column of %*d", "args": ("x", 6, 1), "levelname": "INFO"})
    assert json.loads(JsonFormatter().format(record))["message"].endswith("in a column of      1")


def test_of_a_record_that_is_too_long_the_end_of_its_traceback_is_kept_and_what_else_there_is_room_for() -> None:
    try:
        raise ValueError("x" * 20_000 + " the end")
    except ValueError:
        record = logging.makeLogRecord({"msg": "m" * 9000, "exc_info": sys.exc_info(), "levelname": "ERROR"})
    record.__dict__.update({f"field{number}": "y" * 9000 for number in range(40)})
    line = JsonFormatter().format(record)
    told = json.loads(line)
    assert len(line) < MAX_LINE_BYTES
    assert told["cut"]
    assert told["traceback"].endswith(" the end")
    assert "field0" in told
    assert "field39" not in told
