"""The example application's own settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from app.serving.environment import Environment


@dataclass(frozen=True)
class ApiSettings:
    """What the example can be told from outside; one environment variable a field."""

    version: str
    """APP_VERSION: reported by `/`; the image build sets it to the image's version."""
    hostname: str
    """HOSTNAME: reported by `/`; in a cluster this is the pod's name. Default: the machine's name."""
    load_endpoints: bool
    """LOAD_ENDPOINTS: serve /work and /sleep, which burn or hold a thread on request. For load tests only."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> ApiSettings:
        """Read and validate; raises SettingsError that names every variable that can't be accepted."""
        env = Environment(variables)
        settings = cls(
            version=env.text("APP_VERSION", default="dev"),
            hostname=env.text("HOSTNAME", default=platform.node()),
            load_endpoints=env.boolean("LOAD_ENDPOINTS", default=False),
        )
        env.check()
        return settings
