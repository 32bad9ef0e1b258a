"""The command line `nodrop`. Each command is a module of nodrop/commands."""

import argparse
import os
import sys

from nodrop import __version__
from nodrop.config.sources import SettingsError

BROKEN_PIPE = 141
"""The exit status of a program whose reader has gone: 128 and the number of SIGPIPE."""


def parser() -> argparse.ArgumentParser:
    """The arguments of `nodrop`."""
    top = argparse.ArgumentParser(
        prog="nodrop",
        description="Commands around an application that nodrop serves. The server itself: gunicorn --config "
        "python:nodrop.gunicorn shop:app",
    )
    top.add_argument("--version", action="version", version=f"nodrop {__version__}")
    commands = top.add_subparsers(required=True, metavar="command", dest="command")
    checking = commands.add_parser(
        "check",
        help="print the settings in effect, secrets masked, or every problem with them",
        description="Print the settings in effect and where each comes from, secrets masked. Exits with 1, and lists "
        "every problem, when one can't be accepted. A variable that looks like a misspelt setting gets a warning.",
    )
    checking.add_argument("--app", action="store_true", help="also load the application and its READINESS_CHECKS")
    checking.add_argument("name", metavar="APP", nargs="?", help="the application to load, in place of WSGI_APP's")
    running = commands.add_parser(
        "run",
        help="run a command with the environment of the application",
        description="Run a command, such as `nodrop run -- flask db upgrade`, with what SECRETS_DIR holds in its "
        "environment, and FLASK_APP as WSGI_APP says it unless it is set. Signals and exit status are the command's.",
    )
    running.add_argument("words", metavar="-- COMMAND", nargs=argparse.REMAINDER)
    reloading = commands.add_parser(
        "reload",
        help="have a running server load the application anew, without losing a request",
        description="Replace each worker of a running server by one that loads the application anew. A worker ends "
        "only when its replacement serves. Where the application can't be loaded, the old workers serve on. Settings "
        "that come from the environment stay as they are.",
    )
    reloading.add_argument("--master", metavar="PID", type=int, help="gunicorn's master, where several servers run")
    commands.add_parser(
        "dev",
        help="develop: serve on 127.0.0.1, reload on change, show errors in a debugger",
        description="Serve the application on http://127.0.0.1:PORT with Werkzeug's development server: reloaded on "
        "change, and exceptions are shown in a debugger.",
    )
    return top


def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command. Returns the exit status. Imports the module of that command alone: `run` should be quick."""
    if arguments.command == "run":
        from nodrop.commands.run import run

        words: list[str] = arguments.words
        run(words[1:] if words[:1] == ["--"] else words)
    if arguments.command == "dev":
        from nodrop.commands import dev

        dev.main()
        return 0
    if arguments.command == "reload":
        from nodrop.commands.reload import main as reload

        return reload(arguments.master)
    from nodrop.commands.check import check

    if arguments.name:
        os.environ["WSGI_APP"] = arguments.name
    return check(app=arguments.app or bool(arguments.name))


def main() -> int:
    """The command line. Returns the exit status."""
    try:
        try:
            status = dispatch(parser().parse_args())
        finally:
            # While a reader that has gone can still be seen to: after an exit of argparse's too.
            sys.stdout.flush()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # What is still to be written, Python would write at exit, and fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


if __name__ == "__main__":
    sys.exit(main())
