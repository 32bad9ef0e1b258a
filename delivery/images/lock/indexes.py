"""Where packages are looked for: addresses from the environment and from the repository's files.

An address may hold a password. It is given to uv through files and variables that no one else reads, and to the build
as a secret (`pip_conf`). No lock file has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from delivery.detection.description import Problem
from delivery.images.errors import ImageError
from delivery.images.indexes import expanded, named_by_user
from delivery.images.lock.errors import LockError

FROM_PIP = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_EXTRA_INDEX_URL", "UV_INDEX"),
    "PIP_TRUSTED_HOST": ("UV_INSECURE_HOST",),
}
"""pip's variables, and uv's of the same meaning. uv does not read pip's. If any of uv's is set, pip's is not taken."""


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for uv."""
    found = {**variables, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    for theirs, ours in FROM_PIP.items():
        if variables.get(theirs) and not any(variables.get(name) for name in ours):
            found[ours[0]] = variables[theirs]
    # As pip does: the newest of all indexes. Without it, uv takes what the first index with that name has.
    found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return found


def expand(option: str, folder: Path, variables: Mapping[str, str]) -> str:
    """An option of a requirements file with its ${VARIABLES} replaced and its path made absolute. Raises LockError."""
    try:
        option = expanded(option, variables, named_by_user(variables))
    except ImageError as error:
        cause, _, remedy = str(error).rpartition(": ")
        raise LockError(Problem(cause, remedy[:1].upper() + remedy[1:])) from error
    name, _, value = option.partition(" ")
    if name == "--find-links" and "://" not in value:
        return f"{name} {folder / value}"
    return option


def pip_conf(options: Iterable[str], variables: Mapping[str, str]) -> str:
    """The content of a pip.conf with all addresses, for a build secret; empty where the default index is enough."""
    keys: dict[str, list[str]] = {"index-url": [], "extra-index-url": [], "find-links": [], "trusted-host": []}
    for option in options:
        name, _, value = option.partition(" ")
        if name.removeprefix("--") in keys and (name != "--find-links" or "://" in value):
            keys[name.removeprefix("--")].append(value)
    prepared = environment(variables)
    keys["index-url"] += [prepared[key] for key in ("UV_DEFAULT_INDEX", "UV_INDEX_URL") if prepared.get(key)]
    for key in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        # uv names an index as in `internal=https://...`.
        keys["extra-index-url"] += [re.sub(r"^[\w-]+=(?=http)", "", each) for each in prepared.get(key, "").split()]
    keys["trusted-host"] += prepared.get("UV_INSECURE_HOST", "").split()
    lines = [f"{key} = " + "\n    ".join(dict.fromkeys(values)) for key, values in keys.items() if values]
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def without_passwords(text: str) -> str:
    """Text in which the user and the password of addresses are replaced."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)


def identity(variables: Mapping[str, str]) -> list[str]:
    """What of the variables decides which packages are found, without passwords."""
    prepared = environment(variables)
    names = sorted(name for name in prepared if name.startswith("UV_") and "PASSWORD" not in name)
    return [without_passwords(f"{name}={prepared[name]}") for name in names if "TOKEN" not in name]


def of_this_process() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ
