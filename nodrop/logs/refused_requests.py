"""What the server says of a request that is none.

gunicorn quotes the bytes that it could not read. What they were meant to be cannot be told: a header without its
colon, the body of a request whose length was wrong, a form. So none of them is shown, only how many there were.
"""

from __future__ import annotations

import re

REFUSAL = "Invalid request from "
"""How a line about one begins, here and in gunicorn's own workers."""
_QUOTED = re.compile(r"(?<=[\s(=:\[])(?:bytearray\()?b?[\"'].*", re.DOTALL)
_METHOD = re.compile(r"b?[\"'](GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|QUERY) ")


def redact_refusal(text: str) -> str:
    """The line without what it quotes of the request."""
    return _QUOTED.sub(_described, text)


def _described(found: re.Match[str]) -> str:
    method = _METHOD.match(found[0])
    begins = f", beginning with {method[1]}" if method else ""
    return f"({len(found[0]) - 2} characters{begins}, which may hold secrets and are not shown)"
