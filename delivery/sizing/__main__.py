"""Measure an application on this machine, and write values for the chart, each with its derivation.

    python -m delivery.sizing ../shop --url / --url '/search?q=x' --output shop-values.yaml

Requests are GET, to 127.0.0.1. Without --url, they are for /, the health route, and the application's routes without
parameters whose names say nothing of an action, such as delete.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from delivery.checkout import BUILD
from delivery.commands import ending
from delivery.sizing.figures import Figures
from delivery.sizing.measuring.measurement import Wanted, measure
from delivery.sizing.measuring.processes import idle_cores
from delivery.sizing.serving.server import Application, Place
from delivery.sizing.unmeasurable import Unmeasurable
from delivery.sizing.values.basis import Assumed
from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.derivation import derive
from delivery.sizing.values.summary import FIRST_WORDS, header, machine, shown_command
from delivery.sizing.values.value import Value
from delivery.sizing.values.values_file import written
from nodrop.logs.masking import urls
from nodrop.logs.masking.redaction import redact_text

FOLDER = BUILD / "values"
IDLE_CORES = 0.5
"""Of this machine, at the least, while nothing is measured yet."""
IDLE_SECONDS = 0.5


@ending()
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the file. Exit code: 0, or 1 if it can't be done."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _parser().parse_args(words)
    try:
        if not given.busy:
            require_idle(idle_cores(lambda: time.sleep(IDLE_SECONDS)))
        name, application, health = _application(given)
        output = given.output or FOLDER / f"{name}.yaml"
        require_own(output)
        figures = _figures(given, application, health)
    except Unmeasurable as error:
        problem = error.problem
        # What the application says may hold a password, such as that of a database's address.
        print(redact_text(problem.cause) + (f"\n=> {problem.remedy}" if problem.remedy else ""), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    values = derive(figures, Assumed(given.rate, given.growth / 100), Defaults())
    here = machine(application.python, os.cpu_count() or 1)
    # Paths with their queries, so that the measurement can be repeated, but not what is named like a secret in them.
    urls.configure("all", ())
    lines = [
        redact_text(line)
        for line in header(name, figures, command=shown_command(words), machine=here, when=datetime.now(UTC))
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(written(lines, values, Defaults()))
    _report(lines, values, output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m delivery.sizing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("app", metavar="APP", help="the folder of the application, or the address of a git repository")
    add("--url", action="append", default=[], metavar="PATH", help="a path to request, with its query; may be repeated")
    add(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header of every request, such as a Cookie",
    )
    add(
        "--requests",
        type=_positive,
        default=200,
        help="sequential requests, and as many again concurrently (%(default)s)",
    )
    add(
        "--rate",
        type=float,
        default=Assumed.rate,
        help="the requests per second that one pod should serve (%(default)g)",
    )
    add(
        "--growth",
        type=float,
        default=100 * Assumed.growth,
        help="growth of the load per minute, in percent (%(default)g)",
    )
    add("--starts", type=_positive, default=3, help="the number of starts (%(default)s; at least 2)")
    add("--start-timeout", type=float, default=120.0, metavar="SECONDS", help="the timeout of each start (%(default)g)")
    add("--env", type=Path, metavar="FILE", help="a file of NAME=value lines, the settings of the application")
    add("--busy", action="store_true", help="measure even if other processes use this machine's CPUs")
    add("--output", type=Path, metavar="FILE", help="the values file (build/values/<name>.yaml)")
    add("--python", type=Path, help="an environment that has the application and nodrop, instead of a new one")
    add(
        "--wsgi-app", metavar="MODULE:NAME", help="with --python: the application to serve, instead of the detected one"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _application(given: argparse.Namespace) -> tuple[str, Application, str]:
    """The application with its name and its health route. Raises Unmeasurable."""
    if given.python and given.wsgi_app:
        folder = Path(given.app).resolve()
        if not given.python.exists():
            raise Unmeasurable(
                f"--python {given.python} doesn't exist", "set it to bin/python of a virtual environment"
            )
        if not folder.is_dir():
            raise Unmeasurable(f"{given.app} isn't a folder", "pass the folder of the application")
        # Not resolve(), since the program of an environment is a link to the Python it was made with.
        return folder.name, Application(given.python.absolute(), folder, os.environ, given.wsgi_app), ""
    if given.python or given.wsgi_app:
        raise Unmeasurable("--python and --wsgi-app must be set together", "set both or neither")
    # Here, since it needs what finds and installs applications, which the rest does not.
    from delivery.sizing.brought import bring

    found = bring(given.app, given.env)
    for note in found.notes:
        print(note, file=sys.stderr)
    return found.name, found.application, found.health


def _figures(given: argparse.Namespace, application: Application, health: str) -> Figures:
    headers = {}
    for text in given.header:
        name, colon, value = text.partition(":")
        if not colon:
            raise Unmeasurable(f"--header {name} has no value", "write it as 'Name: value'")
        headers[name.strip()] = value.strip()
    for path in given.url:
        if not path.startswith("/"):
            raise Unmeasurable(f"--url {path} isn't a path", "write the part after the host, such as /search?q=x")
    wanted = Wanted(tuple(given.url), health, given.requests, given.starts, headers)
    with tempfile.TemporaryDirectory(prefix="sizing-", ignore_cleanup_errors=True) as folder:
        return measure(application, wanted, Place(Path(folder), given.start_timeout))


def require_idle(cores: float | None) -> None:
    """Raise Unmeasurable if other processes use the CPUs. cores: how many are idle; None: not known."""
    if cores is not None and cores < IDLE_CORES:
        raise Unmeasurable(
            f"only {cores:.1f} of this machine's {os.cpu_count()} cores are idle, so latencies would be too high",
            "stop other processes, or measure anyway with --busy",
        )


def require_own(output: Path) -> None:
    """Raise Unmeasurable if a file would be lost that was not written here."""
    if output.is_dir():
        raise Unmeasurable(f"{output} is a folder", "set --output to a file")
    if output.exists() and not output.read_text(errors="replace").startswith(f"# {FIRST_WORDS}"):
        raise Unmeasurable(
            f"{output} exists and wasn't written by this command", "set --output to another file, or delete it"
        )


def _report(lines: Sequence[str], values: Sequence[Value], output: Path) -> None:
    print("\n".join(lines))
    print()
    width = max(len(value.path) for value in values)
    for value in values:
        print(f"  {value.path:{width}}  {value.value if value.value is not None else 'left at its default'}")
    print(f"\nWrote {output}, with the derivation of each value")


if __name__ == "__main__":
    # So that the server is stopped as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
