"""Writes the values as YAML, with the derivation of each as a comment above it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.value import Value

WIDTH = 118
_PLAIN = re.compile(r"\d+(m|Ki|Mi|Gi)")
"""Strings that need no quotes in YAML."""


def written(header: Sequence[str], values: Iterable[Value], defaults: Defaults) -> str:
    """The file. header: lines of the comment on top, which are kept as they are."""
    lines = [f"# {line}".rstrip() for line in header]
    tree: dict[str, object] = {}
    for value in values:
        *folders, name = value.path.split(".")
        at = tree
        for folder in folders:
            following = at.setdefault(folder, {})
            assert isinstance(following, dict)
            at = following
        at[name] = value
    return "\n".join([*lines, "", *_block(tree, "", defaults)]) + "\n"


def _block(tree: dict[str, object], indent: str, defaults: Defaults) -> list[str]:
    lines: list[str] = []
    for name, inner in tree.items():
        if isinstance(inner, Value):
            lines += _entry(name, inner, indent, defaults)
        elif isinstance(inner, dict):
            content = _block(inner, f"{indent}  ", defaults)
            # With comments alone below it, the key would be null, which is not a default everywhere.
            is_set = any(not line.lstrip().startswith("#") for line in content)
            lines += [f"{indent}{name}:" if is_set else f"{indent}# {name}:", *content]
    return lines


def _entry(name: str, value: Value, indent: str, defaults: Defaults) -> list[str]:
    if value.value is None:
        default = defaults.value(value.path)
        comments = [f"{name}: left at the default of {default}, because {' '.join(value.why)}"]
    else:
        comments = list(value.why)
    lines = [line for comment in comments for line in _wrapped(comment, indent)]
    if value.value is not None:
        lines.append(f"{indent}{name}: {_scalar(value.value)}")
    return lines


def _wrapped(comment: str, indent: str) -> list[str]:
    return textwrap.wrap(
        comment, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_long_words=False
    )


def _scalar(value: int | str) -> str:
    text = str(value)
    assert isinstance(value, int) or _PLAIN.fullmatch(text), text
    return text
