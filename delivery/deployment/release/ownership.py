"""Whose release it is: an upgrade by another application, or without the application, would replace what runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery.deployment import overrides
from delivery.deployment.chart.values import ORIGIN, fullname
from delivery.deployment.errors import DeploymentError


def refuse_other_origin(deployed: Mapping[str, Any], release: str, origin: str, place: str) -> None:
    """Raise DeploymentError if another application is deployed under this name.

    deployed: the values of the release. place: the file in which its name can be set. A release without an origin is
    taken over.
    """
    there = origin_in(deployed)
    if there and there != origin:
        raise DeploymentError(
            f"the release {release} is that of another application ({there}), and this one comes from {origin}: give "
            f'this one a name of its own, with name = "..." in its {place}, or with RELEASE=<name>. If it is the same '
            f"one, which has moved, say so in your VALUES file: service: {{annotations: {{{ORIGIN[-1]}: {there}}}}}"
        )


def refuse_without_application(
    deployed: Mapping[str, Any], release: str, values: Path | None, *, with_env: bool
) -> None:
    """Raise DeploymentError if the release has what APP or ENV_FILE gave it, and this deployment would strip it of it.

    values: the user's own file of values, which may give what APP gave.
    """
    if not deployed:
        return
    given = overrides.content(values)
    override = deployed.get("fullnameOverride")
    of_app = origin_in(deployed) or (override and override == fullname(release) and not given.get("fullnameOverride"))
    if of_app:
        raise DeploymentError(
            f"the release {release} was deployed with APP, and without it would lose its settings, workers and "
            "migrations: name the application too, APP=<folder or git address>"
        )
    secret = (deployed.get("secrets") or {}).get("existingSecret") or ""
    replaced = with_env or (given.get("secrets") or {}).get("existingSecret")
    if is_of_environment(str(secret), release) and not replaced:
        raise DeploymentError(
            f"the release {release} was deployed with an env file, and without it would lose its settings: name the "
            "application (APP=<folder or git address>) or the file (ENV_FILE=<path>)"
        )


def is_of_environment(secret: str, release: str) -> bool:
    """Whether a Secret of this name was made of an env file."""
    return bool(re.fullmatch(re.escape(release) + r"-env-\d+", secret))


def origin_in(values: Mapping[str, Any]) -> str:
    """The origin that values of the chart name; empty for none."""
    found: Any = values
    for key in ORIGIN:
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found or "")
