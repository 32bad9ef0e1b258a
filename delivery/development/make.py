"""What make puts into the environment of the commands that it runs, which is not meant for the application."""

from __future__ import annotations

import re
from collections.abc import Mapping

OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMERR", "MAKE_TERMOUT", "MFLAGS"}
_ASSIGNMENT = re.compile(r"([^\s:#=!?+]+)\s*(?::{0,3}|[!?+])=")


def without_make(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the shell that ran make: without APP, NAME and what else stands on make's command line."""
    dropped = OF_MAKE | exported(variables.get("MAKEFLAGS", "")) if "MAKELEVEL" in variables else set()
    return {name: value for name, value in variables.items() if name not in dropped}


def exported(flags: str) -> set[str]:
    """The names that MAKEFLAGS assigns, such as APP of ` --no-print-directory -- APP=../my\\ shop`."""
    _, dashes, assignments = f" {flags}".partition(" -- ")
    if not dashes:
        return set()
    # A blank within a value is escaped.
    words = re.findall(r"(?:\\.|\S)+", assignments)
    return {match[1] for word in words if (match := _ASSIGNMENT.match(word))}
