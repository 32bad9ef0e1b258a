"""Why an application has not started, from the server's log, and what to do about it."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from delivery.sizing.unmeasurable import Unmeasurable

LINES = 5
"""Of the log, where no line of it says what is wrong."""
_GENERAL = re.compile(r"Worker \(pid:\d+\)|Shutting down|Reason: Worker failed to boot|Exception in worker process$")
"""What gunicorn logs whatever the reason is."""
_FAILING = re.compile(r"was answered 5\d\d")
_MISSING = re.compile(r"KeyError: '([A-Z][A-Z0-9_]*)'")


def ended(log: str, code: int) -> Unmeasurable:
    """The server has ended before it was ready."""
    why = reason(log)
    return Unmeasurable(f"the application doesn't start (exit status {code}): {why}", _remedy(why))


def is_failing(probe: str) -> bool:
    """Whether the application answers the first request with an error. probe: the last answer of /readyz."""
    return _FAILING.search(probe) is not None


def not_ready(log: str, probe: str, seconds: float) -> Unmeasurable:
    """The server runs, but has not become ready in so many seconds. probe: the last answer of /readyz."""
    answer = probe.strip() or "the management port doesn't answer"
    why = reason(log)
    remedy = "give it more time with --start-timeout"
    if is_failing(probe):
        remedy = (
            "prepare what it needs, such as its database with the tables; or set STARTUP_PATH, in the environment, to "
            "a path that it answers"
        )
    return Unmeasurable(
        f"the application wasn't ready within {seconds:.0f} s: {answer}{f'; its log says: {why}' if why else ''}",
        _remedy(why) if _MISSING.search(why) else remedy,
    )


def reason(log: str) -> str:
    """What the log says is wrong: the last error of the application, else the last lines that are not gunicorn's."""
    said: list[str] = []
    plain: list[str] = []
    for line in log.splitlines():
        entry = _entry(line)
        if entry is None:
            plain += [line.strip()] if line.strip() else []
        elif entry.get("level") in ("error", "critical"):
            if traceback := str(entry.get("traceback", "")):
                said.append(_conclusion(traceback))
            elif not _GENERAL.match(str(entry.get("message", ""))):
                said.append(str(entry["message"]))
    return said[-1] if said else " / ".join(plain[-LINES:])


def _entry(line: str) -> dict[str, object] | None:
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return entry
    return None


def _conclusion(traceback: str) -> str:
    """What stands after the frames of a traceback: the error, and what nodrop adds."""
    lines = traceback.splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return " ".join(line.strip() for line in lines[last + 1 :] if line.strip())


def _remedy(why: str) -> str:
    if missing := _MISSING.search(why):
        name = missing[1]
        return f'set {name} in the environment, or in flask-app.toml: environment = {{ {name} = "..." }}'
    return "fix the start first: `make run` starts it in the same way and shows its whole log"
