"""The settings that an application reads: which of them have no value yet, and what to write where."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path

from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Setting

IN_EVERY_POD = {"PORT", "HOME", "PATH", "HOSTNAME", "PWD", "LANG", "WSGI_APP", "FLASK_APP", "TMPDIR"}
"""What the chart, the image or the container engine sets."""
KEYS = re.compile(r"(?:\w+_)?SECRET_KEY|SECRET|(?:\w+_)?SALT|SESSION_SECRET", re.ASCII)
"""Settings that are only to be random, and the same in every pod. Not API_KEY: somebody else gives that out."""
KEY_BYTES = 32


def missing(settings: Iterable[Setting], given: Collection[str]) -> list[Setting]:
    """The settings that the application fails without and that have no value, each once."""
    found: dict[str, Setting] = {}
    for each in settings:
        if each.required and each.name not in given and each.name not in IN_EVERY_POD:
            found.setdefault(each.name, each)
    return list(found.values())


def refuse_missing(settings: Iterable[Setting], given: Collection[str], env: Path | None) -> None:
    """Raise DeploymentError that lists what is missing, with its place and the line to write."""
    found = missing(settings, given)
    if not found:
        return
    places = "\n".join(f"  {each.name:<30} {each.place}" for each in found)
    lines = "\n".join(f"  {each.name}={_example(each)}" for each in found)
    where = f"Write into {env}" if env else "Write into a file that is not committed, and name it with ENV_FILE=<path>"
    raise DeploymentError(
        f"The application fails without these settings, which have no value yet:\n{places}\n{where}:\n{lines}\n"
        'Values that aren\'t secret can go in flask-app.toml: environment = { NAME = "value" }'
    )


def _example(setting: Setting) -> str:
    if KEYS.fullmatch(setting.name):
        return "<from: python3 -c 'import secrets; print(secrets.token_hex(32))'>"
    return "<value>"


def keys_to_make(settings: Iterable[Setting], given: Collection[str]) -> list[str]:
    """The settings that `make up` gives a random value. SECRET_KEY always: nodrop signs sessions with it if need be."""
    named = {each.name for each in settings if each.required and KEYS.fullmatch(each.name)}
    return sorted(({"SECRET_KEY"} | named) - set(given))


def new_key() -> str:
    """A random value that nobody can guess."""
    return secrets.token_hex(KEY_BYTES)


def insecure_defaults(settings: Iterable[Setting], given: Collection[str]) -> list[str]:
    """A line for each key that would be the one in the source, which everybody can read."""
    return [
        f"{each.name} is not set, so the application uses its default from {each.place}: write "
        f"{each.name}={_example(each)} into your env file, ENV_FILE=<path>"
        for each in settings
        if KEYS.fullmatch(each.name) and not each.required and each.default and each.name not in given
    ]
