"""Which paths are measured if none are given: routes that a GET can't change anything with, as far as names tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from delivery.sizing.figures import Skipped

MOST = 10
"""Routes that are asked for."""
ACTIONS = {
    "abort", "accept", "activate", "add", "approve", "backup", "buy", "call", "cancel", "charge", "checkout", "clean",
    "cleanup", "clear", "confirm", "crash", "create", "deactivate", "decline", "delete", "deploy", "destroy", "disable",
    "disconnect", "drop", "email", "empty", "enable", "enqueue", "erase", "exec", "execute", "exit", "expire", "fail",
    "flush", "follow", "generate", "halt", "import", "increment", "init", "insert", "install", "invalidate", "invite",
    "kill", "launch", "like", "logoff", "logout", "mail", "migrate", "notify", "pay", "poweroff", "process", "publish",
    "purchase", "purge", "push", "quit", "reboot", "rebuild", "refresh", "refund", "register", "reindex", "reject",
    "reload", "remove", "reset", "restart", "restore", "revoke", "rotate", "run", "save", "seed", "send", "set",
    "setup", "shutdown", "signoff", "signout", "sms", "start", "stop", "submit", "subscribe", "sync", "terminate",
    "toggle", "trigger", "truncate", "unfollow", "uninstall", "unlink", "unsubscribe", "update", "upgrade", "upload",
    "vote", "webhook", "wipe",
}  # fmt: skip
"""Words that name an action. A route with one of them is not asked for, since applications act on GET too."""
STEMS = ("delet", "destro", "eras", "logout", "purg", "remov", "reset", "shutdown", "signout", "terminat", "wip")
"""Beginnings of words that name one, such as deleteall."""
PAIRS = {("log", "out"), ("sign", "out"), ("log", "off"), ("sign", "off"), ("shut", "down"), ("check", "out")}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Route:
    """A route without parameters, as the application has declared it."""

    path: str
    endpoint: str
    methods: tuple[str, ...]


def action(name: str) -> str:
    """The word in a path or an endpoint that names an action; empty if none does."""
    words = [match[0].lower() for match in _WORD.finditer(name)]
    for word in words:
        if word in ACTIONS or word.startswith(STEMS):
            return word
    return next((f"{first} {second}" for first, second in itertools.pairwise(words) if (first, second) in PAIRS), "")


def harmless(routes: Iterable[Route]) -> tuple[list[str], list[Skipped]]:
    """The paths that may be asked for, the shortest first and MOST at the most; and those left out for their names."""
    found: list[str] = []
    skipped: list[Skipped] = []
    for route in sorted(routes, key=lambda each: (each.path.count("/"), len(each.path), each.path)):
        if "GET" not in route.methods or route.path in found:
            continue
        if word := action(route.path) or action(route.endpoint):
            skipped.append(Skipped(route.path, f"not requested, because its name has the action `{word}`"))
        else:
            found.append(route.path)
    skipped += [Skipped(path, f"not requested, because {MOST} others are shorter") for path in found[MOST:]]
    return found[:MOST], skipped
