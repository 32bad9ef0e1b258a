"""Values whose names are values themselves: `<input name="csrf_token" value="...">` and
`{"value": "...", "name": "password"}`.
"""

from __future__ import annotations

import re

from nodrop.logs.masking.names import REDACTED, is_secret

_TAG = re.compile(r"<[A-Za-z][^<>]*")
_NAME = re.compile(r"(?i)(?<![\w-])(?:name|key|id|property)\s?=\s?\\*[\"']?([\w.:\[\]-]{1,100})")
_VALUE = re.compile(r"(?i)(?<![\w-])((?:value|content)\s?=\s?)(\"[^\"]*\"?|'[^']*'?|[^\s\"'>]+)")
_BEFORE_NAME = re.compile(
    r"((?<!\\)\\*[\"'](?:value|val)\\*[\"']\s{0,3}:\s{0,3})"
    r"(\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"|'[^'\\]*+(?:\\.[^'\\]*+)*+'|\\+\"[^\"\\]*+\\+\")"
    r"(\s{0,3},\s{0,3}\\*[\"'](?:name|key|header)\\*[\"']\s{0,3}:\s{0,3}\\*[\"'])([^\"'\\]{1,200})(?=\\*[\"'])"
)


def redact(text: str) -> str:
    """The text without such values, where the name is a secret's."""
    if "<" in text and "=" in text:
        text = _TAG.sub(_in_tag, text)
    return _BEFORE_NAME.sub(_before_name, text) if ":" in text else text


def _in_tag(tag: re.Match[str]) -> str:
    if any(is_secret(name[1]) for name in _NAME.finditer(tag[0])):
        return _VALUE.sub(lambda value: f"{value[1]}{_quoted(value[2])}", tag[0])
    return tag[0]


def _before_name(found: re.Match[str]) -> str:
    return f"{found[1]}{_quoted(found[2])}{found[3]}{found[4]}" if is_secret(found[4]) else found[0]


def _quoted(value: str) -> str:
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{quote}{REDACTED}{quote}"
