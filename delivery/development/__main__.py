"""The commands of the developer, which the Makefile runs: run, dev, live, logs, shell."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from delivery.checkout import ROOT
from delivery.commands import ending
from delivery.deployment.application import describe
from delivery.deployment.prepare import Application
from delivery.development.cluster import Release
from delivery.development.environment import environment
from delivery.development.live.files import Files
from delivery.development.live.session import Session
from delivery.development.local import (
    DEVELOPMENT_SERVER,
    SERVER,
    Local,
    become,
    local,
    read_env_file,
    serve_with_workers,
)
from delivery.development.logs import Logs
from delivery.development.shell import shell_command
from delivery.images.context import place
from delivery.images.folders import alone, own_folder
from delivery.images.lock import lock
from tools import ToolUnavailable

LOCKS = ROOT / "build" / "run"
EXAMPLE = "flask-app"
"""The release without APP."""
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="python -m delivery.development", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="command", dest="command")
    for name in ("run", "dev"):
        here = commands.add_parser(name)
        here.add_argument("--app", required=True, help="a folder or a git address")
        here.add_argument("--env", type=Path, metavar="FILE", help="the env file")
        here.add_argument("--port", type=int, default=5000)
        here.add_argument("--address", default="127.0.0.1")
        here.add_argument("--workers", action="store_true", help="run the workers too")
    for name in ("live", "logs", "shell"):
        there = commands.add_parser(name)
        there.add_argument(
            "--app",
            default=str(ROOT / "app") if name == "live" else "",
            help="a folder or a git address, as for make up",
        )
        there.add_argument("--release", default="", help="the release; by default that of the application")
        there.add_argument("--namespace", default="default")
        there.add_argument("--context", default="", help="the context of the kubeconfig; by default the current one")
        if name == "shell":
            there.add_argument("--part", default="server", help="the component: server or worker-NAME")
            there.add_argument("line", nargs="?", default="", help="a command to run instead of a shell")
    return top


def _serve(arguments: argparse.Namespace) -> int:
    application = describe(arguments.app)
    start = _prepared(application, arguments)
    command = SERVER if arguments.command == "run" else DEVELOPMENT_SERVER
    processes = application.description.surroundings.processes
    if not (arguments.workers and processes):
        become(start, command)
    return serve_with_workers(start, command, processes)


def _prepared(application: Application, arguments: argparse.Namespace) -> Local:
    """How the application is started here, in an environment with what it needs."""
    description = application.description
    _tell(*(f"note: {each}" for each in description.notes))
    began = time.monotonic()
    with alone(own_folder(LOCKS, description)) as folder:
        locked = lock(description, folder)
        made = environment(description, locked)
    if made.is_new:
        _tell(*locked.notes, f"installed the requirements of {description.name} in {time.monotonic() - began:.0f} s")
    if made.note:
        _tell(made.note)
    variables = {**application.environment, **read_env_file(arguments.env)}
    return local(description, made, given=variables, port=arguments.port, address=arguments.address)


def _live(arguments: argparse.Namespace) -> int:
    application = describe(arguments.app)
    description = application.description
    is_example = description.folder == ROOT / "app"
    name = arguments.release or (EXAMPLE if is_example else description.name)
    release = Release(name, arguments.namespace, arguments.context)
    declaring = {*description.dependencies.files, application.place.partition(" ")[0]}
    Session(release, Files(description.folder, place(description)), _say, declaring=declaring).run()
    return 0


def _release(arguments: argparse.Namespace) -> Release:
    name = arguments.release or (describe(arguments.app).description.name if arguments.app else EXAMPLE)
    return Release(name, arguments.namespace, arguments.context)


def _logs(arguments: argparse.Namespace) -> int:
    Logs(_release(arguments), lambda line: print(line, flush=True), for_terminal=sys.stdout.isatty()).run()
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    command = shell_command(_release(arguments), arguments.line, arguments.part, for_terminal=is_terminal)
    os.execv(command[0], command)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


def _tell(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


COMMANDS = {"run": _serve, "dev": _serve, "live": _live, "logs": _logs, "shell": _shell}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@ending(ToolUnavailable)
def main() -> int:
    """The command line. Returns the exit status."""
    arguments = parser().parse_args()
    # Like Ctrl-C, so that the release is put back.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return COMMANDS[arguments.command](arguments)
    except KeyboardInterrupt:
        return 0 if arguments.command in ("live", "logs") else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
