"""`nodrop run -- flask db upgrade`: any command, with the environment that the server gives the application.

The command takes the place of this process, so that signals reach it and its exit status is what the caller sees.
"""

import os
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from nodrop.config.references import reference
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment
from nodrop.options.startup import settings_to_start_with

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit statuses that shells have for these."""


def run(command: list[str]) -> NoReturn:
    """Become `command`. Raises SettingsError where the server could not start either; exits where that can't be run."""
    if not command:
        sys.exit("nodrop run needs a command, such as: nodrop run -- flask db upgrade")
    if command[0].startswith("-"):
        sys.exit(
            f"nodrop run has no option {command[0]}: put -- before the command, as in nodrop run -- flask db upgrade"
        )
    environment = Environment(os.environ)
    settings = settings_to_start_with(environment)[0]
    sys.stdout.flush()
    # Python ignores these, which a command would inherit, and has no use for: yes | head would never end.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    variables = {**os.environ, **environment.secret_variables()}
    try:
        os.execvpe(command[0], command, {**variables, **flask_app(settings, variables)})
    except (FileNotFoundError, NotADirectoryError):
        told = f"nodrop run: there is no command {command[0]!r}: is it installed, and its folder on PATH?"
        status = NOT_FOUND
    except (OSError, ValueError) as error:
        told = f"nodrop run: {command[0]!r} can't be run: {getattr(error, 'strerror', None) or error}"
        status = NOT_EXECUTABLE
    print(told, file=sys.stderr)
    raise SystemExit(status)


def flask_app(settings: ServingSettings, variables: Mapping[str, str]) -> dict[str, str]:
    """FLASK_APP as WSGI_APP says it, so that the command `flask` finds the application that is served.

    Nothing where it is set already, or WSGI_APP is not, or names what Flask has no words for.
    """
    parts = reference(settings.wsgi_app)
    if variables.get("FLASK_APP") or not parts or "." in parts.path:
        return {}
    return {"FLASK_APP": settings.wsgi_app}
