"""The answers that the template needs, from the description of an application."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from detection.description import Dependencies, Description, Style

READ_BY_UV = (Style.REQUIREMENTS, Style.PYPROJECT, Style.SETUP)
"""What `uv pip compile` reads by itself. The lock files of other tools are read by images.lock alone."""
MANAGERS = {
    "package-lock.json": ("npm ci", "npm run build"),
    "npm-shrinkwrap.json": ("npm ci", "npm run build"),
    "yarn.lock": ("corepack enable && yarn install --frozen-lockfile", "yarn run build"),
    "pnpm-lock.yaml": ("corepack enable && pnpm install --frozen-lockfile", "pnpm run build"),
}
"""The commands that install and build assets, by the lock file."""


def detected(description: Description, values: Mapping[str, object]) -> dict[str, object]:
    """What is known of the application. values: of the chart, without the image."""
    served, dependencies = description.served.value, description.dependencies
    secrets = values.get("secrets")
    return {
        "part": "ejected",
        "name": description.name,
        "serve": served.reference,
        "root": served.root,
        "package": description.folder.name if (description.folder / "__init__.py").exists() else "",
        "installed": dependencies.is_package,
        "python": dependencies.python.value,
        "apt": [each.value for each in dependencies.apt],
        "apt_build": [each.value for each in dependencies.apt_build],
        "build": [each.value for each in description.surroundings.build_steps],
        "assets": _assets(description),
        "lock": _inputs(dependencies),
        "secret": secrets.get("existingSecret", "") if isinstance(secrets, Mapping) else "",
        "values": dict(values),
    }


def _assets(description: Description) -> dict[str, str] | None:
    found = description.surroundings.assets
    if not found:
        return None
    folder: Path = description.folder / found.value
    for name, (install, build) in MANAGERS.items():
        if (folder / name).exists():
            return {"folder": found.value, "install": install, "build": build}
    raise ValueError(f"{folder} has no lock file: detection finds folders of assets by it")


def _inputs(dependencies: Dependencies) -> str:
    """The arguments of `uv pip compile`; empty if it can't read them."""
    if dependencies.style not in READ_BY_UV:
        return ""
    extras = [argument for extra in dependencies.extras for argument in ("--extra", extra)]
    groups = [argument for group in dependencies.groups for argument in ("--group", group)]
    return shlex.join([*dependencies.files, *extras, *groups])
