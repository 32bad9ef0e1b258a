"""What a WSGI application consists of: the application itself, and those that its middleware leads to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

NAMES = ("app", "wsgi_app", "application")
"""The attributes in which middleware, that of Werkzeug among it, keeps the application behind it."""
MOUNTS = "mounts"
"""The attribute in which werkzeug.middleware.dispatcher keeps applications by path."""
MOST = 100
"""Applications that are looked at; no more than a mistake would have."""


def parts_of(application: WSGIApplication) -> list[Any]:
    """The application and all that it leads to, outermost first, each once."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [application]
    while waiting and len(found) < MOST:
        part = waiting.pop(0)
        if id(part) not in found:
            found[id(part)] = part
            waiting += [behind for _, _, behind in behind_of(part)]
            # Middleware around `app.wsgi_app`, Flask's own method.
            if isinstance(owner := getattr(part, "__self__", None), Flask):
                waiting.append(owner)
    return list(found.values())


def behind_of(part: Any) -> Iterator[tuple[Any, str, Any]]:
    """What a part leads to, as (where it is kept, its name there, what it is): in an object's attribute or a dict."""
    kept = getattr(part, "__dict__", {})
    for name in NAMES:
        if callable(behind := kept.get(name)):
            yield part, name, behind
    mounts = kept.get(MOUNTS)
    if isinstance(mounts, dict):
        for path, behind in mounts.items():
            yield mounts, path, behind


def flasks_of(application: WSGIApplication) -> list[Flask]:
    """The Flask applications among its parts."""
    return [part for part in parts_of(application) if isinstance(part, Flask)]
