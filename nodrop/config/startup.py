"""What the server can start with, or all that keeps it from starting."""

from __future__ import annotations

from nodrop.config.schema import Effective
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.tracing import opentelemetry as tracing


def settings_to_start_with(environment: Environment) -> tuple[ServingSettings, list[Effective]]:
    """The settings, and where each comes from. Raises SettingsError with every problem, OpenTelemetry's among them."""
    problems = tracing.problems_of()
    try:
        read = ServingSettings.read(environment)
    except SettingsError as error:
        problems = [*error.problems, *problems]
    if problems:
        raise SettingsError(problems)
    return read
