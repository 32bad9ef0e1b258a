"""The answers that the template needs, from the description of an application."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from delivery.detection.description import Dependencies, Description, Found, Style
from delivery.ejection.ignored import ignored, public
from delivery.ejection.refusal import Refused

READ_BY_UV = (Style.REQUIREMENTS, Style.PYPROJECT, Style.SETUP)
"""What `uv pip compile` reads by itself. The lock files of other tools are read by images.lock alone."""
NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")


class Locked(Protocol):
    """What is known of a lock."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know, in sentences."""

    @property
    def apt(self) -> Sequence[Found[str]]:
        """Debian packages for the image."""

    @property
    def apt_build(self) -> Sequence[Found[str]]:
        """Debian packages that only building wheels needs."""

    @property
    def pip_conf(self) -> str:
        """The content of a pip.conf that names the indexes; empty for the default one."""


@dataclass(frozen=True)
class Parts:
    """What other parts of this checkout make of a description."""

    lock: Callable[[Description, Path], Locked]
    """Writes into a folder what the application and nodrop need: requirements.txt, pinned and hashed; and where some
    have no hash, requirements-unhashed.txt and the folder local/."""
    values: Callable[[Description, str], str]
    """The chart's values as YAML, without the image. The second argument names the Secret; empty for none."""
    place: Callable[[Description], str]
    """Where the repository is in /srv; `.` for /srv itself."""


def detected(description: Description, parts: Parts, locked: Locked, folder: Path) -> dict[str, object]:
    """What is known of the application. folder: of the lock. Raises Refused."""
    served, dependencies = description.served.value, description.dependencies
    secret = description.name if _has_settings(description) else ""
    place = parts.place(description)
    unhashed = (folder / "requirements-unhashed.txt").exists()
    return {
        "part": "ejected",
        "name": description.name,
        "serve": served.reference,
        "root": served.root,
        "package": "" if place == "." else place,
        "installed": dependencies.is_package,
        "python": dependencies.python.value,
        "apt": [each.value for each in locked.apt],
        "apt_build": [each.value for each in locked.apt_build],
        "build": [each.value for each in description.surroundings.build_steps],
        "assets": _assets(description),
        "unhashed": unhashed,
        "local": (folder / "local").exists(),
        # `uv pip compile` writes what has no hash into the same file, which pip refuses.
        "lock": "" if unhashed else _inputs(dependencies),
        "ignored": ignored(description),
        "public": public(description.folder),
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
            f"the frontend in {found.value} has no package-lock.json, so its build isn't reproducible: run "
            f"`npm install` in {found.value} and commit the file, or commit the built frontend and set assets = false "
            "in flask-app.toml"
        )
    return found.value


def _inputs(dependencies: Dependencies) -> str:
    """The arguments of `uv pip compile`, for a recipe of make; empty if it can't read them. Raises Refused."""
    if dependencies.style not in READ_BY_UV:
        return ""
    extras = [argument for extra in dependencies.extras for argument in ("--extra", extra)]
    groups = [argument for group in dependencies.groups for argument in ("--group", group)]
    words = [*(f"./{each}" if each.startswith("-") else each for each in dependencies.files), *extras, *groups]
    if not all(each.isprintable() for each in words):
        raise Refused(f"a name among {words} has line breaks or the like, which a Makefile can't hold: rename it")
    # make expands a single $.
    return shlex.join(words).replace("$", "$$")
