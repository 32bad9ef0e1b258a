"""A value of the chart with its derivation, and how figures are written in it."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.sizing.values.formulas import MIB


@dataclass(frozen=True)
class Value:
    """A value of the chart. path: its keys, with dots. value: None where it is left at the chart's default."""

    path: str
    value: int | str | None
    why: tuple[str, ...]
    """Sentences: the derivation, or why there is none."""


def left(path: str, why: str) -> Value:
    """A value that can't be computed."""
    return Value(path, None, (why,))


def unread(path: str, what: str) -> Value:
    """A value that depends on what is read from /proc."""
    return left(path, f"this machine has no /proc to read {what} from: measure on Linux.")


def ms(seconds: float) -> str:
    """A time, in the unit that suits it."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def number(value: float) -> str:
    """A number with three digits, or all those before the point."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def mib(size: float) -> str:
    """Memory in MiB."""
    return f"{size / MIB:.0f} MiB"
