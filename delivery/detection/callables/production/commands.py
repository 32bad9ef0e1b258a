"""The application that a command line gives to a server: `gunicorn shop.wsgi:app`, `flask --app shop run`."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable

WITHOUT_VALUE = frozenset((
    "--preload", "--reload", "--daemon", "-D", "--check-config", "--print-config", "--no-sendfile", "--proxy-protocol",
    "--capture-output", "--enable-stdio-inheritance", "-R", "--spew", "--log-syslog", "--preload-app", "--call",
    "--factory", "--proxy-headers", "--expose-tracebacks",
))  # fmt: skip
"""Options of these servers that take no value."""
_PLAIN = re.compile(r"[A-Za-z_][\w.]*(:[\w.]+(\(.*\))?)?")
Found = list[tuple[str, str]]
"""References as they are written, and the server that each is given to."""


def of_command(line: str) -> Found:
    """The applications in a command line, or in a line that holds one."""
    if not _NAMED.search(line):
        return []
    words = _words(line)
    found: Found = []
    for index, word in enumerate(words):
        if reader := SERVERS.get(word.rsplit("/", 1)[-1]):
            found += reader(words[index + 1 :])
    return found


def _first(by: str) -> Callable[[list[str]], Found]:
    """Reads servers that take the application as their first argument."""

    def read(words: list[str]) -> Found:
        return [(each, by) for each in _positional(words)[:1]]

    return read


def _waitress(words: list[str]) -> Found:
    call = "()" if "--call" in words else ""
    return [(each if each.endswith(")") else each + call, "waitress") for each in _positional(words)[:1]]


def _mod_wsgi(words: list[str]) -> Found:
    return [(each, "mod_wsgi") for each in _positional(words[1:])[:1]] if words[:1] == ["start-server"] else []


def _flask(words: list[str]) -> Found:
    found: Found = []
    for option, value in zip(words, [*words[1:], ""], strict=False):
        name, equals, inline = option.partition("=")
        if name in ("--app", "-A"):
            found.append((inline if equals else value, "flask"))
    return found


def _uwsgi(words: list[str]) -> Found:
    options = {}
    for option, value in zip(words, [*words[1:], ""], strict=False):
        name, equals, inline = option.lstrip("-").partition("=")
        if option.startswith("-"):
            options[name] = inline if equals else value
    module = options.get("module") or options.get("w") or options.get("wsgi") or options.get("wsgi-file")
    if not module:
        return []
    served = options.get("callable")
    return [(module if ":" in module or not served else f"{module}:{served}", "uwsgi")]


SERVERS: dict[str, Callable[[list[str]], Found]] = {
    **{each: _first("gunicorn") for each in ("gunicorn", "gunicorn3", "gunicorn.app.wsgiapp")},
    **{each: _first(each) for each in ("uvicorn", "hypercorn", "granian", "daphne", "bjoern", "gevent")},
    **dict.fromkeys(("waitress-serve", "waitress"), _waitress),
    "mod_wsgi-express": _mod_wsgi,
    "flask": _flask,
    "uwsgi": _uwsgi,
}


_NAMED = re.compile(rf"(?:{'|'.join(re.escape(each) for each in SERVERS)})\b")


def _positional(words: list[str]) -> list[str]:
    """The arguments that are no option and no option's value, up to what ends the command."""
    found, skip = [], False
    for word in words:
        if word in ("&&", "||", "|", ";", "&"):
            break
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word not in WITHOUT_VALUE and not re.fullmatch(r"-[A-Za-z]\S+", word)
        elif _PLAIN.fullmatch(word):
            found.append(word)
        elif not word.startswith("$"):
            break
    return found


def _words(line: str) -> list[str]:
    """A command line, the JSON form of a Dockerfile's CMD or a YAML list, as words."""
    match = re.search(r"\[.*\]", line)
    if match and ('"' in match[0] or "'" in match[0]):
        try:
            listed = ast.literal_eval(match[0])
        except (SyntaxError, ValueError):
            listed = None
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            return [word for each in listed for word in _flat(each)]
    # A value of YAML or TOML may be quoted as a whole, as is what a shell is given.
    return [word for each in _split(line) for word in _flat(each)]


def _flat(word: str) -> list[str]:
    return _split(word) if " " in word and not _PLAIN.fullmatch(word) else [word]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
