"""The name of an application: of its image, its release and what is made of it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from delivery.detection.identity.origin import remote_of, top_of

LONGEST = 40
"""Of a release. The chart puts the names of its parts behind it, within the 63 characters of a DNS label."""
GENERIC = {
    "api", "app", "application", "apps", "backend", "code", "django", "flask", "flask-app", "flaskapp", "main",
    "my-app", "myapp", "project", "python", "server", "service", "site", "source", "src", "srv", "web", "webapp",
    "website", "wsgi", "www",
}  # fmt: skip
"""Names of folders that many applications have: two of them would be one release."""


def name_of(folder: Path) -> str:
    """The name after the folder: `My Shop` becomes my-shop, and 2048 app-2048.

    A generic name is preceded by that of the repository or, at its top, of its owner: backend becomes shop-backend.
    """
    own = _plain(folder.name)
    before = _plain(_above(folder)) if own in GENERIC else ""
    # The end tells the parts of one repository apart.
    name = f"{before[: max(LONGEST - len(own) - 1, 0)].rstrip('-')}-{own}".strip("-") if before != own else own
    if not name:
        return "application"
    return (name if name[0].isalpha() else f"app-{name}")[:LONGEST].rstrip("-")


def _above(folder: Path) -> str:
    """What a folder of a generic name belongs to: its repository, the owner of that, or the folder around it."""
    top = top_of(folder)
    if top and Path(top) != folder.resolve():
        return Path(top).name
    remote = remote_of(folder).split("/")
    return remote[-2] if len(remote) > 2 else folder.resolve().parent.name


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
