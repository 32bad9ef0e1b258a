"""Passwords in command lines that no name stands beside, such as `curl -u bob:...` and `mysql -p...`: as a shell has
them, and as the lists that errors of subprocess show.
"""

from __future__ import annotations

import re

from nodrop.logs.masking.names import REDACTED

# How an argument is told from its option: not at all, by a blank, by an equals sign, or as the next one of a list.
_THEN = r"(?:\\*[\"'],\s?\\*[\"']|[ =]?[\"']?)"
_USER = re.compile(rf"((?<![^\s\"'])(?:-u|--user|--proxy-user|-U){_THEN})[^\s:\"']{{0,100}}:[^\s\"']+")
# A client, arguments of its own, and its option for a password.
_CLIENTS = ("mysql", "mariadb", "mongo", "sshpass", "docker", "redis-cli")
_CLIENT = re.compile(
    r"((?:(?i:mysql|mariadb|mongo|sshpass|docker\b\W{1,4}login)[\w.-]{0,30}[\s\"'][^\n]{0,300}?(?<![^\s\"'])-p"
    rf"|redis-cli[\s\"'][^\n]{{0,300}}?(?<![^\s\"'])-a){_THEN})(?![-\s\"'])[^\s\"']+"
)


def redact(text: str, lower: str) -> str:
    """The text without such passwords. lower: the text in lower case, or what it was made of."""
    if "-u" in lower:
        text = _USER.sub(rf"\1{REDACTED}", text)
    if ("-p" in lower or "-a" in lower) and any(client in lower for client in _CLIENTS):
        text = _CLIENT.sub(rf"\1{REDACTED}", text)
    return text
