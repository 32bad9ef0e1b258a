"""Which modules can hold an application, by the words in them, so that the others need not be parsed.

Those that import a library which makes applications, or name what WSGI names, are read first. Then those that name
something which has been found in one of them, until nothing new is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from delivery.detection.callables.code.kinds import LIBRARIES
from delivery.detection.callables.code.modules import Modules

_LIBRARY = re.compile(
    rb"^[ \t]*(?:from|import)[ \t][^\n]*\b(?:" + "|".join(sorted(LIBRARIES)).encode() + rb")\b", re.MULTILINE
)
_BOUND = re.compile(rb"^[ \t]*application[ \t]*=", re.MULTILINE)


def first(modules: Modules) -> list[str]:
    """The names of the modules that import such a library, take a request, or bind `application`."""
    return [name for name, file in modules.files.items() if _is_first(modules.repository.content(file))]


def _is_first(content: bytes) -> bool:
    # The plain words before the patterns, which take far longer.
    return (
        b"start_response" in content
        or (b"receive" in content and b"scope" in content)
        or (b"application" in content and _BOUND.search(content) is not None)
        or _LIBRARY.search(content) is not None
    )


def naming(modules: Modules, found: Iterable[tuple[str, str]], seen: set[str]) -> list[str]:
    """The names of further modules that name one of these, given as the module's name and the name in it."""
    wanted: dict[bytes, set[bytes]] = {}
    for module, name in found:
        wanted.setdefault(module.rpartition(".")[2].encode(), set()).add(name.encode())
    patterns = [
        (module, re.compile(rb"import\b[^\n]*\b%s\b|from\b[^\n]*\b%s\b|import \(" % (module, module)), _word(names))
        for module, names in wanted.items()
    ]
    return [
        name
        for name, file in modules.files.items()
        if name not in seen and _names_one(modules.repository.content(file), patterns)
    ]


def _word(names: set[bytes]) -> re.Pattern[bytes]:
    return re.compile(rb"\b(?:" + b"|".join(re.escape(each) for each in sorted(names)) + rb")\b")


def _names_one(content: bytes, patterns: list[tuple[bytes, re.Pattern[bytes], re.Pattern[bytes]]]) -> bool:
    return b"import" in content and any(
        module in content and name.search(content) and imported.search(content) for module, imported, name in patterns
    )
