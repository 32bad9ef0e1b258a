"""What applies where nothing is set: the chart's values and nodrop's settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from delivery.checkout import CHART
from nodrop.config.settings import ServingSettings

_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


@dataclass(frozen=True)
class Defaults:
    """Of this chart, and of the nodrop beside it."""

    chart: Path = CHART

    @cached_property
    def _values(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.chart / "values.yaml").read_text()))

    def value(self, path: str) -> int | str:
        """The chart's default, by its path with dots; a setting's for a path below `config`."""
        if path.startswith("config."):
            (declared,) = (
                each
                for each in ServingSettings.declarations().values()
                if each.variable == path.removeprefix("config.")
            )
            return int(declared.default)
        found: Any = self._values
        for key in path.split("."):
            found = found[key]
        assert isinstance(found, int | str)
        return found

    def number(self, path: str) -> int:
        """A default that is a whole number."""
        return int(self.value(path))

    def cores(self, path: str) -> float:
        """A default for CPU."""
        text = str(self.value(path))
        return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)

    def bytes(self, path: str) -> int:
        """A default for memory."""
        text = str(self.value(path))
        return int(text[:-2]) * _UNITS[text[-2:]] if text[-2:] in _UNITS else int(text)
