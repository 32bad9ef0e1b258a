"""What a user's own values file (VALUES=path) says about the environment. It takes precedence over everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from delivery.deployment.chart.values import ORIGIN
from delivery.deployment.errors import DeploymentError


@dataclass(frozen=True)
class Overrides:
    """What the file sets."""

    names: frozenset[str] = field(default_factory=frozenset)
    """Variables of the server."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Those of them whose value the file has."""
    chart: Mapping[str, Any] = field(default_factory=dict)
    """All of the chart's values that it sets."""

    existing_secret: str = ""
    has_secret_values: bool = False
    origin: str = ""
    """Where the application of the release comes from, if it has moved."""
    has_more: bool = False
    """It names Secrets and ConfigMaps, whose keys are variables too: which, the file doesn't say."""

    @property
    def storage_class(self) -> str:
        """For a claim of the application's data; empty for the cluster's default."""
        return str(_map(dict(self.chart), "persistence").get("storageClassName") or "")


def read(file: Path | None) -> Overrides:
    """Read the file. Raises DeploymentError if it is not there or no YAML."""
    values = content(file)
    if not values:
        return Overrides()
    secrets = _map(values, "secrets")
    origin = _map(_map(values, ORIGIN[0]), ORIGIN[1]).get(ORIGIN[2])
    extra = values.get("extraEnv") or []
    named = [each for each in extra if isinstance(each, dict) and "name" in each]
    given = {**_map(values, "config"), **_map(secrets, "values")}
    given |= {each["name"]: each["value"] for each in named if "value" in each}
    return Overrides(
        frozenset({*given, *(str(each["name"]) for each in named)}),
        {str(name): str(value) for name, value in given.items()},
        values,
        str(secrets.get("existingSecret") or ""),
        bool(secrets.get("values")),
        str(origin or ""),
        bool(values.get("extraEnvFrom")),
    )


def content(file: Path | None) -> dict[str, Any]:
    """The file's values; none without a file. Raises DeploymentError as `read` does."""
    if file is None:
        return {}
    if not file.is_file():
        raise DeploymentError(f"VALUES={str(file)!r} is not a file")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeploymentError(f"VALUES={file} can't be read: {error}") from None
    if not isinstance(values, dict):
        raise DeploymentError(f"VALUES={file} has no values: write the chart's keys into it, such as `config:`")
    return values


def _map(values: dict[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}
