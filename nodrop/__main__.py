"""`nodrop check`: the settings in effect and where each comes from, or all that is wrong with them."""

import argparse
import difflib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from nodrop.config.schema import MASK, Declaration, Effective
from nodrop.config.settings import ServingSettings
from nodrop.config.sources import Environment, SettingsError
from nodrop.config.startup import settings_to_start_with
from nodrop.health.readiness import CheckError, find
from nodrop.server import foreign_variables, own_hooks

# What a letter too few, too many or changed leaves alike, without taking other programs' names for ours.
LIKENESS = 0.85


def table(effective: Iterable[Effective]) -> str:
    """The settings in columns: variable, value, where it comes from."""
    rows = [("VARIABLE", "VALUE", "FROM"), *((each.declaration.variable, each.text, each.origin) for each in effective)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows)


def likely_typos(variables: Mapping[str, str], declared: Iterable[Declaration]) -> list[str]:
    """One warning for each variable that is no setting but looks like one."""
    known: set[str] = set()
    plain: set[str] = set()
    for each in declared:
        known |= {each.variable, f"{each.variable}_FILE"} if each.secret else {each.variable}
        plain |= set() if each.secret else {f"{each.variable}_FILE"}
    warnings = []
    for name in sorted(variables.keys() - known):
        if name in plain:
            warnings.append(f"{name} is not read: only a secret can be given as a file of its own")
        elif alike := difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=LIKENESS):
            warnings.append(f"{name} is not a setting: is {alike[0]} meant?")
    return warnings


def application_problems(settings: ServingSettings, secrets: Iterable[str]) -> list[str]:
    """Load the application and import its readiness checks, as a worker does; what is wrong, without `secrets`."""
    # Not needed, and not quick, without --app.
    from gunicorn.errors import AppImportError

    from nodrop.wsgi import load as wsgi

    problems = []
    try:
        wsgi.load()
    except AppImportError as error:
        problems.append(str(error))
    # What an application raises, or an exit of its own, is for it to choose.
    except (Exception, SystemExit) as error:
        problems.append(f"WSGI_APP={settings.wsgi_app} can't be loaded: {_told(error)}")
    for check in settings.readiness_checks:
        try:
            find(check)
        except CheckError as error:
            problems.append(str(error))
        except (Exception, SystemExit) as error:
            problems.append(f"READINESS_CHECKS={check} can't be imported: {_told(error)}")
    return [_masked(problem, secrets) for problem in problems]


def _told(error: BaseException) -> str:
    """The error in a line, and below it the last line of the application's own code on the way to it."""
    others = (str(Path(__file__).parent), "<frozen", sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(others)]
    where = f"\n  in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _masked(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked. The longest first, since one may be part of another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def check(*, app: bool) -> int:
    """Print the settings, or their problems. Returns the exit status."""
    environment = Environment(os.environ)
    others = {name: text for name, text in os.environ.items() if name not in foreign_variables.COMMON}
    for warning in likely_typos(others, ServingSettings.declarations().values()):
        print(f"warning: {warning}", file=sys.stderr)
    for warning in foreign_variables.warnings(os.environ):
        print(f"warning: {warning}", file=sys.stderr)
    try:
        settings, effective = settings_to_start_with(environment)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(effective))
    # Read before the application is loaded, which puts them into its environment.
    secrets = environment.secret_variables()
    if secrets:
        print(f"\nset from {settings.secrets_dir} for the application: {', '.join(secrets)}")
    if not app:
        return 0
    try:
        own_hooks.load(settings.hooks)
    except own_hooks.HooksError as error:
        print(error, file=sys.stderr)
        return 1
    hidden = [*secrets.values(), *(str(each.value) for each in effective if each.hidden)]
    if problems := application_problems(settings, hidden):
        print("\n".join(problems), file=sys.stderr)
        return 1
    checks = f", and {', '.join(settings.readiness_checks)}" if settings.readiness_checks else ""
    print(f"\nloaded {settings.wsgi_app}{checks}")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="nodrop",
        description="The serving layer's settings. The server itself: gunicorn --config python:nodrop.gunicorn",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    checking = commands.add_parser(
        "check",
        help="print the settings in effect, secrets masked, or every problem with them",
        description="Print the settings in effect and where each comes from, secrets masked. Exits with 1, and lists "
        "every problem, when one can't be accepted. A variable that looks like a misspelt setting gets a warning.",
    )
    checking.add_argument(
        "--app", action="store_true", help="also load the application of WSGI_APP and import its READINESS_CHECKS"
    )
    return check(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
