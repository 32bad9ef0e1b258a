"""What to do about errors that applications have in a pod though they work elsewhere, known by what they print."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

CODE = PurePosixPath("/srv")
"""Where the image has the repository."""
DENIED = re.compile(r"(?:Read-only file system: |Permission denied: |wants )\\?['\"]([^'\"\\]+)")
"""What Python and nodrop say when a file can't be written to, also as a log line in JSON has it."""
FOLDERS = re.compile(r"\bmake_?dirs\b|\bmkdir\b")
"""Calls that make a folder, as a traceback shows them."""
STATE_OF_BEAT = "celerybeat-schedule"

REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"KeyError: ['\"]([A-Z][A-Z0-9_]*)['\"]",
        "{0} is not set: write {0}=... into your env file, ENV_FILE=<path>",
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


def declaring(path: PurePosixPath, said: str, code: PurePosixPath = CODE) -> str:
    """How to have a path writable that something said is not: the line of flask-app.toml, and what it brings about.

    code: where the image has the repository.
    """
    path = CODE / path
    if path.name.startswith(STATE_OF_BEAT):
        return f"Celery beat keeps its state in {path}: add --schedule /tmp/{STATE_OF_BEAT} to its command"
    folder = folder_of(path, said, code)
    if folder in (code, CODE):
        return (
            f"{path} lies beside the code, which is read-only: have the application write to a folder of its own, such "
            f'as data/{path.name}, and write writable = ["data"] in flask-app.toml'
        )
    key = folder.relative_to(code) if folder.is_relative_to(code) else folder
    return (
        f'write writable = ["{key}"] in flask-app.toml: the folder is then a volume, whose content is kept and which '
        "one pod has. If its content may be lost, write scratch instead of writable"
    )


def folder_of(path: PurePosixPath, said: str, code: PurePosixPath = CODE) -> PurePosixPath:
    """The folder to declare for a path that can't be written to: that of a file, since a volume at a file's path would
    be a folder there.

    said: what shows whether the path is a folder; else it is one if its name has no ending and it is not in another.
    """
    is_first = path.parent in (code, CODE) or not path.is_relative_to(CODE)
    is_folder = not path.suffix and (is_first or bool(FOLDERS.search(said)))
    return path if is_folder else path.parent


def remedy(log: str) -> str:
    """What to do, given what was printed; empty if nobody knows."""
    if denied := DENIED.search(log):
        return declaring(PurePosixPath(denied[1]), log)
    for pattern, advice in REMEDIES:
        if match := re.search(pattern, log):
            return advice.format(*(match.groups() or ("",)))
    return ""
