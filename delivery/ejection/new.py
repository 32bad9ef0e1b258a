"""`make new`: the smallest application that can be served, tested and deployed."""

from __future__ import annotations

import re
from pathlib import Path

from delivery.ejection.checkout import committed
from delivery.ejection.engine import render
from delivery.ejection.refusal import Refused


def new(folder: Path, name: str, *, root: Path) -> tuple[str, ...]:
    """Write an application called `name` to `folder`, which is new or empty. Returns its files. Raises Refused."""
    # The release is called so, and Kubernetes' names may have 63 characters with what the chart appends.
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise Refused(
            f"NAME={name!r} is not a name for a release: use up to 40 lower-case letters, digits and hyphens, such as "
            "shop"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            f"{folder} is there already and not empty: name another folder, or for an application that you have, "
            f"run make up APP={folder}"
        )
    with committed(root) as checkout:
        render(checkout, folder, {"part": "application", "name": name})
    return tuple(sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()))
