"""The commands of the developer, which the Makefile runs: run, dev, live, logs, shell."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from detection.detect import detect
from detection.source import folder_of
from images.lock import lock

from detection.configuration import Configuration, read
from detection.description import Description, Undecided
from detection.repository import Repository
from development.cluster import Release
from development.environment import environment
from development.errors import DevelopmentError
from development.local import (
    DEVELOPMENT_SERVER,
    SERVER,
    Local,
    become,
    local,
    read_env_file,
    serve_with_workers,
)
from images.context import place
from images.errors import ImageError
from tools import ToolUnavailable

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="development", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="command", dest="command")
    for name in ("run", "dev"):
        here = commands.add_parser(name)
        here.add_argument("--app", required=True)
        here.add_argument("--python", required=True, help="the image's, such as 3.13, where the application names none")
        here.add_argument("--env", type=Path, help="an env file")
        here.add_argument("--port", type=int, default=5000)
        here.add_argument("--address", default="127.0.0.1")
        here.add_argument("--workers", action="store_true", help="run the workers too")
    for name in ("live", "logs", "shell"):
        there = commands.add_parser(name)
        there.add_argument("--release", default="")
        there.add_argument("--namespace", default="default")
        there.add_argument("--context", default="")
        there.add_argument("--app", required=True)
        there.add_argument("--python", required=True)
        if name == "shell":
            there.add_argument("--part", default="server")
            there.add_argument("words", nargs="?", default="", help="a command in place of a shell")
    return top


def _described(arguments: argparse.Namespace) -> tuple[Description, Configuration]:
    folder = folder_of(arguments.app)
    return detect(folder, arguments.python), read(Repository(folder))


def _local(arguments: argparse.Namespace) -> tuple[Description, Local]:
    """The application, and how it is started here, in its environment."""
    description, configuration = _described(arguments)
    given = {**configuration.environment, **read_env_file(arguments.env)}
    locked = lock(description, Path("build", "locks", description.name, "requirements.txt"))
    for note in locked.notes:
        print(note, file=sys.stderr)
    began = time.monotonic()
    made = environment(description, locked.requirements)
    if made.is_new:
        print(f"installed what {description.name} needs in {time.monotonic() - began:.1f} s", file=sys.stderr)
    if made.note:
        print(made.note, file=sys.stderr)
    start = local(description, made, given=given, port=arguments.port, address=arguments.address)
    return description, start


def _serve(arguments: argparse.Namespace) -> int:
    description, start = _local(arguments)
    command = SERVER if arguments.command == "run" else DEVELOPMENT_SERVER
    processes = description.surroundings.processes
    if not (arguments.workers and processes):
        become(start, command)
    return serve_with_workers(start, command, processes)


def _release(arguments: argparse.Namespace) -> Release:
    name = arguments.release or _described(arguments)[0].name
    return Release(name, arguments.namespace, arguments.context)


def _live(arguments: argparse.Namespace) -> int:
    from development.live.files import Files
    from development.live.session import Session

    description, configuration = _described(arguments)
    release = Release(arguments.release or description.name, arguments.namespace, arguments.context)
    files = Files(description.folder, place(description))
    declaring = {*description.dependencies.files, configuration.place.partition(" ")[0]}
    Session(release, files, _say, declaring=declaring).run()
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from development.logs import Logs

    Logs(_release(arguments), lambda line: print(line, flush=True), for_terminal=sys.stdout.isatty()).run()
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    from development.shell import shell_command

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    command = shell_command(_release(arguments), arguments.words, arguments.part, for_terminal=is_terminal)
    os.execv(command[0], command)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


COMMANDS = {"run": _serve, "dev": _serve, "live": _live, "logs": _logs, "shell": _shell}


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """The command line. Returns the exit status."""
    arguments = parser().parse_args()
    # Like Ctrl-C, so that the release is put back.
    signal.signal(signal.SIGTERM, _end)
    try:
        return COMMANDS[arguments.command](arguments)
    except Undecided as undecided:
        for problem in undecided.problems:
            print(f"{problem.cause}: {problem.remedy}", file=sys.stderr)
        return 1
    except (DevelopmentError, ImageError, ToolUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED if arguments.command != "logs" else 0


if __name__ == "__main__":
    sys.exit(main())
