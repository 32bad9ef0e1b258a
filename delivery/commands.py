"""How each command ends: with the explained problem, and never with a traceback, for what its user can solve.

The standard library alone, as the commands that need no more have it.
"""

from __future__ import annotations

import functools
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec

FAILED, UNDECIDED, INTERRUPTED = 1, 2, 130
P = ParamSpec("P")


class Explained(Exception):
    """Something is missing or does not work. The message says what, where, and what to do."""


def ending(*also: type[Exception]) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """A decorator of a command, which returns the exit status. also: more exceptions whose message is an explanation.

    FAILED for what is explained, UNDECIDED for problems of the repository, INTERRUPTED after Ctrl-C.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def command(*arguments: P.args, **named: P.kwargs) -> int:
            try:
                return main(*arguments, **named)
            except KeyboardInterrupt:
                return INTERRUPTED
            except Exception as error:
                status, text = _explained(error, also)
                print(text, file=sys.stderr)
                return status

        return command

    return decorate


def _explained(error: Exception, also: tuple[type[Exception], ...]) -> tuple[int, str]:
    """The exit status, and what to print. Raises anything that is a fault of this program."""
    # Not before it is needed.
    from delivery.detection.description import Undecided

    if isinstance(error, Undecided):
        from delivery.detection.report import explain

        return UNDECIDED, explain(error.problems)
    if isinstance(error, subprocess.CalledProcessError):
        command = error.cmd if isinstance(error.cmd, str) else shlex.join(map(str, error.cmd[:3])) + " ..."
        return FAILED, f"{command} failed with exit status {error.returncode}"
    if isinstance(error, (Explained, *also)):
        return FAILED, str(error)
    raise error
