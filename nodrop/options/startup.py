"""What the server can start with, or all that keeps it from starting."""

from __future__ import annotations

from collections.abc import Sequence

from nodrop.config.schema import Effective
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.options import foreign_variables, given_options
from nodrop.tracing import opentelemetry as tracing


def settings_to_start_with(
    environment: Environment, arguments: Sequence[str] = ()
) -> tuple[ServingSettings, list[Effective]]:
    """The settings, and where each comes from.

    arguments: gunicorn's command line without its first word. Raises SettingsError with every problem, those of
    OpenTelemetry and of what was configured for gunicorn itself among them.
    """
    problems = [*tracing.problems_of(), *foreign_variables.refusals(environment.variables)]
    try:
        read = ServingSettings.read(environment)
        problems += given_options.problems(read[0], arguments, environment.variables)
    except SettingsError as error:
        problems = [*error.problems, *problems]
    if problems:
        raise SettingsError(problems)
    return read
