"""The answers that the template needs, from the description of an application."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detection.description import Dependencies, Description, Style
from ejection.refusal import Refused

READ_BY_UV = (Style.REQUIREMENTS, Style.PYPROJECT, Style.SETUP)
"""What `uv pip compile` reads by itself. The lock files of other tools are read by images.lock alone."""
NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")


@dataclass(frozen=True)
class Parts:
    """What other parts of this checkout make of a description."""

    lock: Callable[[Description, Path], tuple[str, ...]]
    """Pins and hashes what the application and nodrop need in a file, whose pins are kept where they fit. Returns notes
    for the user."""
    values: Callable[[Description, str], str]
    """The chart's values as YAML, without the image. The second argument names the Secret, if there is one."""
    place: Callable[[Description], str]
    """Where the repository is in /srv; `.` for /srv itself."""


def detected(description: Description, parts: Parts, locked: str) -> dict[str, object]:
    """What is known of the application. locked: the lock's text. Raises Refused."""
    served, dependencies = description.served.value, description.dependencies
    secret = description.name if _has_settings(description) else ""
    place = parts.place(description)
    return {
        "part": "ejected",
        "name": description.name,
        "serve": served.reference,
        "root": served.root,
        "package": "" if place == "." else place,
        "installed": dependencies.is_package,
        "python": dependencies.python.value,
        "apt": [each.value for each in dependencies.apt],
        "apt_build": [each.value for each in dependencies.apt_build],
        "build": [each.value for each in description.surroundings.build_steps],
        "assets": _assets(description),
        "unhashed": bool(re.search(r"^([^ #-]|-e ).*[^\\]$", locked, re.MULTILINE)),
        "lock": _inputs(dependencies),
        "secret": secret,
        "values": parts.values(description, secret).splitlines(),
    }


def _has_settings(description: Description) -> bool:
    """Whether there is something that only a Secret can give the application."""
    surroundings = description.surroundings
    return bool(surroundings.services) or any(each.secret or each.required for each in surroundings.settings)


def _assets(description: Description) -> str:
    found = description.surroundings.assets
    if not found:
        return ""
    if not any((description.folder / found.value / name).exists() for name in NPM_LOCKS):
        raise Refused(
            f"the frontend in {found.value} has no package-lock.json, by which npm installs the same packages each "
            f"time: run `npm install` in {found.value} and commit the file, or commit what the frontend is built to and "
            "write assets = false in flask-app.toml"
        )
    return found.value


def _inputs(dependencies: Dependencies) -> str:
    """The arguments of `uv pip compile`; empty if it can't read them."""
    if dependencies.style not in READ_BY_UV:
        return ""
    extras = [argument for extra in dependencies.extras for argument in ("--extra", extra)]
    groups = [argument for group in dependencies.groups for argument in ("--group", group)]
    return shlex.join([*dependencies.files, *extras, *groups])
