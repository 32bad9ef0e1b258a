"""What the server can start with, or all that keeps it from starting."""

from __future__ import annotations

from app.serving import tracing
from app.serving.declaration import Effective
from app.serving.environment import Environment, SettingsError
from app.serving.settings import ServingSettings


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
