"""The other parts of this checkout, as `make eject` and `make update` use them."""

from __future__ import annotations

from pathlib import Path

from deployment.commented import write
from deployment.values import Circumstances, values
from detection.description import Description
from ejection.answers import Parts
from images.context import place
from images.lock import lock


def parts() -> Parts:
    """Those of this checkout."""
    return Parts(lock=_lock, values=_values, place=place)


def _lock(description: Description, output: Path) -> tuple[str, ...]:
    return lock(description, output).notes


def _values(description: Description, secret: str) -> str:
    return write(values(description, Circumstances(release=description.name, secret=secret)))
