"""`nodrop check`: the settings in effect and where each comes from, or all that is wrong with them."""

import difflib
import os
import sys
import traceback
from collections.abc import Iterable, Mapping

from nodrop.application import unnamed
from nodrop.application.slow_load import SlowLoad
from nodrop.config.schema import MASK, Declaration, Effective
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.health.readiness import find_check
from nodrop.importing.find import FindError
from nodrop.importing.frames import is_own
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.own_messages import redact_own
from nodrop.logs.masking.redaction import redact_text
from nodrop.options import foreign_variables
from nodrop.options.startup import settings_to_start_with
from nodrop.server import own_hooks

# What a letter too few, too many or changed leaves alike, without taking other programs' names for ours.
LIKENESS = 0.85


def check(*, app: bool) -> int:
    """Print the settings, or their problems; with `app` load the application too. Returns the exit status."""
    environment = Environment(os.environ)
    known_secrets.hide_environment(os.environ, environment.folder)
    for warning in likely_typos(os.environ, ServingSettings.declarations().values()):
        print(redact_own(f"warning: {warning}"), file=sys.stderr)
    for warning in foreign_variables.warnings(os.environ):
        print(redact_own(f"warning: {warning}"), file=sys.stderr)
    try:
        settings, effective = settings_to_start_with(environment)
    except SettingsError as error:
        print(redact_own(str(error)), file=sys.stderr)
        return 1
    print(redact_own(table(effective, ServingSettings.groups())))
    # Read before the application is loaded, which puts them into its environment.
    secrets = environment.secret_variables()
    if secrets:
        print(f"\nset from {settings.secrets_dir} for the application: {', '.join(secrets)}")
    if not app:
        return 0
    # What the application prints comes after what is known before it is loaded.
    sys.stdout.flush()
    try:
        own_hooks.load(settings.hooks)
    except own_hooks.HooksError as error:
        print(redact_text(str(error)), file=sys.stderr)
        return 1
    hidden = [*secrets.values(), *(str(each.value) for each in effective if each.hidden)]
    if problems := application_problems(settings, hidden):
        print("\n".join(problems), file=sys.stderr)
        return 1
    checks = f", and {', '.join(settings.readiness_checks)}" if settings.readiness_checks else ""
    print(f"\nloaded {settings.wsgi_app or f'the application from {unnamed.taken_from}'}{checks}")
    return 0


def table(effective: Iterable[Effective], groups: Mapping[str, list[Declaration]]) -> str:
    """The settings in columns, group by group: variable, value, where it comes from."""
    cells = {each.declaration.variable: (each.declaration.variable, each.text, each.origin) for each in effective}
    name, value = (max(len(row[column]) for row in cells.values()) for column in (0, 1))
    blocks = []
    for heading, declared in groups.items():
        rows = [cells[each.variable] for each in declared]
        blocks.append("\n".join([heading, *(f"  {row[0]:{name}}  {row[1]:{value}}  {row[2]}" for row in rows)]))
    return "\n\n".join(blocks)


def likely_typos(variables: Mapping[str, str], declared: Iterable[Declaration]) -> list[str]:
    """One warning for each variable that is no setting but looks like one."""
    known: set[str] = set()
    plain: set[str] = set()
    for each in declared:
        known |= {each.alias} - {""}
        known |= {each.variable, f"{each.variable}_FILE"} if each.secret else {each.variable}
        plain |= set() if each.secret else {f"{each.variable}_FILE"}
    warnings = []
    # What others call a setting of ours has a warning of its own.
    for name in sorted(variables.keys() - known - foreign_variables.COMMON.keys()):
        if name in plain:
            warnings.append(f"{name} is not read: only a secret can be given as a file of its own")
        elif alike := difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=LIKENESS):
            warnings.append(f"{name} is not a setting: is {alike[0]} meant?")
    return warnings


def application_problems(settings: ServingSettings, secrets: Iterable[str]) -> list[str]:
    """Load the application and import its readiness checks, as a worker does; what is wrong, without `secrets`."""
    # Not needed, and not quick, without --app.
    from gunicorn.errors import AppImportError

    from nodrop.application import load as loading

    problems: list[str] = []

    def tell(problem: str) -> None:
        problems.append(redact_text(_masked(problem, secrets)))

    slow = SlowLoad(tell=lambda line: print(line, file=sys.stderr, flush=True))
    slow.begin()
    try:
        loading.load()
    except AppImportError as error:
        # Redacted where it was raised.
        problems.append(_masked(str(error), secrets))
    # What an application raises, or an exit of its own, is for it to choose.
    except (Exception, SystemExit) as error:
        what = f"WSGI_APP={settings.wsgi_app}" if settings.wsgi_app else "the application"
        tell(f"{what} can't be loaded: {_told(error)}")
    finally:
        slow.end()
    for name in settings.readiness_checks:
        try:
            find_check(name)
        except FindError as error:
            tell(str(error))
        except Exception as error:
            tell(f"READINESS_CHECKS={name} can't be loaded: {_told(error)}")
    return problems


def _told(error: BaseException) -> str:
    """The error in a line, and below it the last line of the application's own code on the way to it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    where = f"\n  in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _masked(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked. The longest first, since one may be part of another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
