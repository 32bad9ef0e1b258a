"""The example application's own settings."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from nodrop.config.schema import Computed, Settings, setting
from nodrop.config.types import boolean, text


@dataclass(frozen=True, kw_only=True)
class ApiSettings(Settings):
    """What the example can be told from outside."""

    version: str = setting(
        "APP_VERSION",
        text(),
        default="dev",
        meaning="The version that `/` reports. The image has it set to the image's own.",
    )
    hostname: str = setting(
        "HOSTNAME",
        text(),
        default=Computed("the machine's name", lambda _: platform.node()),
        meaning="The host that `/` reports. In a cluster this is the pod's name.",
    )
    load_endpoints: bool = setting(
        "LOAD_ENDPOINTS",
        boolean(),
        default=False,
        meaning="Serve `/work?cpu_ms=`, `/sleep?ms=` and `/memory?mib=`, which use the processor, a thread or memory. "
        "For tests only.",
    )
