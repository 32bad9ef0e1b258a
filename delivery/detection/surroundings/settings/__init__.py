"""The environment variables that the application reads, by Python's own means or a library's.

Required is one whose absence raises an error. `required` says nothing of what fails later, such as an empty password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.configuration import Configuration
from delivery.detection.description import Setting
from delivery.detection.repository import Repository
from delivery.detection.surroundings.settings.helpers import by_helpers
from delivery.detection.surroundings.settings.libraries import by_libraries
from delivery.detection.surroundings.settings.prefixed import by_prefix
from delivery.detection.surroundings.settings.python import by_python, provided_by
from delivery.detection.surroundings.settings.variables import setting

SAMPLES = re.compile(
    r"(?:[^/]*/)?(?:\.?env|dotenv)[._-](?:example|sample|template|dist|defaults?|tmpl)|(?:example|sample)\.env"
)
"""Files that show which variables there are. A file .env itself belongs to one machine."""
MACHINE = re.compile(
    r"HOME|PATH|USER|USERNAME|LOGNAME|PWD|SHELL|TERM|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|HOSTNAME|DISPLAY|CI|EDITOR|APPDATA"
    r"|COLUMNS|LINES|VIRTUAL_ENV|PYTHON\w+|WERKZEUG_\w+|KUBERNETES_\w+|GITHUB_ACTIONS?|XDG_\w+|DYNO|FLASK_APP|FLASK_DEBUG"
    r"|FLASK_RUN_\w+|PORT|HOST|SERVER_SOFTWARE|GUNICORN_\w+|WEB_CONCURRENCY|COMPOSE_\w+|DOCKER_\w+|SystemRoot"
    r"|LOCALAPPDATA|USERPROFILE|(?i:https?|no|all)_proxy|PYTEST_\w+|READTHEDOCS|SUDO_\w+"
)
"""What the machine, the serving layer or other programs set."""


def find_settings(
    repository: Repository, configuration: Configuration, application: Application, configured: Configured
) -> tuple[Setting, ...]:
    """All variables, those that are required first. What the configuration calls a secret is one."""
    found: dict[str, Setting] = {}
    for each in (*_read(application, configured), *_shown(repository)):
        if MACHINE.fullmatch(each.name) or not re.fullmatch(r"[A-Za-z_]\w*", each.name):
            continue
        one = found.get(each.name)
        found[each.name] = each if one is None else _merged(one, each)
    provided = {name for module in application.modules for name in provided_by(application, module)}
    named = set(configuration.secrets or ())
    settings = [
        replace(
            each,
            secret=each.secret or each.name in named,
            required=each.required and each.name not in provided and each.name not in configuration.environment,
        )
        for each in found.values()
    ]
    settings += [Setting(name, configuration.place, required=True, secret=True) for name in sorted(named - set(found))]
    return tuple(sorted(settings, key=lambda each: not each.required))


def _read(application: Application, configured: Configured) -> Iterator[Setting]:
    for module in application.modules:
        yield from by_python(application, module)
        yield from by_libraries(application, module)
    yield from by_helpers(application)
    yield from by_prefix(application, configured)


def _merged(one: Setting, other: Setting) -> Setting:
    """Of two places where a variable is read, the stricter counts."""
    first, second = (other, one) if other.required and not one.required else (one, other)
    return replace(
        first, secret=one.secret or other.secret, default=first.default or ("" if first.required else second.default)
    )


def _shown(repository: Repository) -> Iterator[Setting]:
    """The variables of a file such as .env.example. What it gives are examples, not defaults."""
    for path, file in repository.files.items():
        if not SAMPLES.fullmatch(path):
            continue
        for number, line in file.lines():
            if match := re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=.*", line):
                yield setting(match[1], f"{path}:{number}", required=False)
