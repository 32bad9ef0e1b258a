"""How a setting names a thing in code: `module`, `module:name` or `module:function(arguments)`."""

import ast
import dataclasses
import re
from dataclasses import dataclass
from typing import Any

_NAME = r"[A-Za-z_]\w*"
_DOTTED = rf"{_NAME}(?:\.{_NAME})*"
_REFERENCE = re.compile(rf"(?P<module>{_DOTTED})(?::(?P<path>{_DOTTED})(?P<call>\((?s:.*)\))?)?", re.ASCII)
FUNCTION = rf"{_DOTTED}:{_NAME}"
"""The pattern of `module:function`; to be matched with re.ASCII."""


@dataclass(frozen=True)
class Reference:
    """The parts of `module`, `module:name` or `module:function(arguments)`."""

    module: str
    path: str
    """The name in the module, which may have dots; empty where only the module is named."""
    arguments: tuple[list[Any], dict[str, Any]] | None = None
    """What to call it with, by position and by name; None where it is not to be called."""


def reference(text: str) -> Reference | None:
    """The parts of `text`; None if it is of no such form, or has arguments that are not literals.

    It is what gunicorn accepts for an application, and dots in the name besides.
    """
    match = _REFERENCE.fullmatch(text)
    if not match:
        return None
    parts = Reference(match["module"], match["path"] or "")
    if match["call"] is None:
        return parts
    try:
        parsed = ast.parse(f"f{match['call']}", mode="eval").body
        # f(1)(2) is a call too, and **names are keywords without a name.
        if isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name) and all(k.arg for k in parsed.keywords):
            positional = [ast.literal_eval(each) for each in parsed.args]
            named = {str(each.arg): ast.literal_eval(each.value) for each in parsed.keywords}
            return dataclasses.replace(parts, arguments=(positional, named))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pass
    return None
