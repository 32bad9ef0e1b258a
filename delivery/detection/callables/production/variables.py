"""The application that a setting names: FLASK_APP, APP_MODULE, and uWSGI's `module`, `wsgi-file`, `callable`."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"\b(FLASK_APP|APP_MODULE|WSGI_APP|WSGIPath)\s*[=:\s]\s*[\"']?([\w./:-]+(?:\([^)]*\))?)")
_UWSGI = re.compile(r"^\s*(module|wsgi|wsgi-file|callable)\s*[=:]\s*([^\s#;]+)")


def of_variables(line: str) -> list[tuple[str, str]]:
    """The applications in it as they are written, and the setting of each."""
    found = [(match[2], match[1]) for match in _VARIABLE.finditer(line)]
    if match := _UWSGI.match(line):
        found.append((f":{match[2]}" if match[1] == "callable" else match[2], "uwsgi"))
    return found
