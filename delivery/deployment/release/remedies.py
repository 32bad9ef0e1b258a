"""What to do about errors that applications have in a pod though they work elsewhere, known by what they print."""

from __future__ import annotations

import re

REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"KeyError: ['\"]([A-Z][A-Z0-9_]*)['\"]",
        "{0} is not set: write {0}=... into your env file, ENV_FILE=<path>",
    ),
    (
        r"(?:Read-only file system: |Permission denied: |wants )['\"](?:/srv/)?([^'\"]+?)(?:/[^/'\"]*)?['\"]",
        'only declared folders are writable: add writable = ["{0}"] in flask-app.toml',
    ),
    (
        r"unable to open database file",
        'SQLite can\'t write to the folder of its database: declare it with writable = ["<folder>"] in '
        "flask-app.toml, or use PostgreSQL",
    ),
    (
        r"ModuleNotFoundError: No module named ['\"]([\w.]+)['\"]",
        "the module {0} isn't installed: add its package to the application's requirements",
    ),
    (
        r"ImportError: (\S+\.so[\w.]*): cannot open shared object file",
        "the library {0} is not in the image: add its Debian package with apt = [...] in flask-app.toml",
    ),
    (
        r"(?:could not translate host name|Name or service not known|getaddrinfo failed|nodename nor servname)",
        "the cluster can't resolve the host that the application connects to: set its address in your env file, "
        "ENV_FILE=<path>",
    ),
    (
        r"(?:Connection refused|could not connect to server|Error 111 connecting)",
        "nothing listens at the address that the application connects to. In a pod, localhost is the pod itself. Set "
        "the address in your env file, ENV_FILE=<path>, or have `make up` run the service: "
        'services = ["postgresql", "redis"] in flask-app.toml',
    ),
    (
        r"(?:password authentication failed|Access denied for user)",
        "the database rejected the user or the password: correct them in your env file, ENV_FILE=<path>",
    ),
    (
        r"relation \"?[\w.]+\"? does not exist|no such table",
        'the tables don\'t exist: set the command that creates them, such as migrate = "flask db upgrade", in '
        "flask-app.toml",
    ),
    (
        r"No such command|Error: No such command ['\"](\w+)['\"]",
        "the flask or celery in the image doesn't have this command: correct it in flask-app.toml",
    ),
)
"""A pattern of the log, and what to do; {0} is its first group. The first that fits decides."""


def remedy(log: str) -> str:
    """What to do, given what was printed; empty if nobody knows."""
    for pattern, advice in REMEDIES:
        if match := re.search(pattern, log):
            return advice.format(*(match.groups() or ("",)))
    return ""
