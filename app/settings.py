"""The example application's own settings: three environment variables, described in README.md."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the example can be told from outside."""

    version: str = "dev"
    hostname: str = ""
    load_endpoints: bool = False

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the variables; an empty one counts as unset. Ends the process when one can't be accepted."""
        return cls(
            version=variables.get("APP_VERSION") or "dev",
            # In a cluster this is the pod's name.
            hostname=variables.get("HOSTNAME") or platform.node(),
            load_endpoints=_is_on("LOAD_ENDPOINTS", variables),
        )


def _is_on(name: str, variables: Mapping[str, str]) -> bool:
    text = variables.get(name, "").strip()
    if text.lower() in TRUE:
        return True
    if text and text.lower() not in FALSE:
        raise SystemExit(f"{name}={text!r} can't be accepted: set it to one of {', '.join((*TRUE, *FALSE))}")
    return False
