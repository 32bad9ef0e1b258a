"""The log lines of a server, of tests/talkative.py mostly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.serving_process import Server, request, until


def find(server: Server, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first line that fulfils the condition, which may still be on its way."""
    until("it is logged", lambda: any(condition(entry) for entry in server.log()))
    return next(entry for entry in server.log() if condition(entry))


def access_line(server: Server, url: str) -> dict[str, Any]:
    """The access line of a request to this URL."""
    return find(server, lambda entry: entry.get("url") == url)


def answers(port: int) -> bool:
    """Whether tests/talkative.py is served on this port."""
    try:
        return request(port, "/users/me").status == 200
    except OSError:
        return False
