"""Whether two servers of the same application answer alike."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from nodrop.wsgi.security_headers import ALWAYS

ADDED = {"x-request-id", *(name.lower() for name, _ in ALWAYS)}
"""Headers that nodrop adds where the application sets none."""
OF_THE_MOMENT = {"date", "server", "connection", "keep-alive", "set-cookie", "etag", "last-modified", "expires"}
"""Headers that differ from one answer to the next."""


def difference(ours: str, plain: str, paths: list[str]) -> str:
    """The first difference, in a sentence; empty if there is none. ours, plain: host:port."""
    for path in dict.fromkeys(paths):
        mine, theirs, again = _get(ours, path), _get(plain, path), _get(plain, path)
        if mine[0] != theirs[0]:
            return f"GET {path} answers {mine[0]}, and {theirs[0]} under gunicorn alone"
        changed = {
            name for name in mine[1].keys() | theirs[1].keys()
            if mine[1].get(name) != theirs[1].get(name) and name not in ADDED | OF_THE_MOMENT
        }  # fmt: skip
        # nodrop words Werkzeug's own error pages as problem details; and some pages are never the same twice.
        if mine[0] >= 400 or theirs[2] != again[2]:
            continue
        if changed:
            return f"GET {path}: {', '.join(sorted(changed))} differ from those under gunicorn alone"
        if mine[2] != theirs[2]:
            return f"GET {path}: the body differs from the one under gunicorn alone"
    return ""


def _get(address: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": "shop.example", "Accept": "*/*"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    except (OSError, HTTPException) as error:
        return 0, {"error": type(error).__name__}, b""
    finally:
        connection.close()
