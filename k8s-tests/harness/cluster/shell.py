"""Run a command; an error shows all it said."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


class CommandError(AssertionError):
    """A command failed or took too long. The message has the command and its output."""


def run(
    command: Sequence[str | Path],
    *,
    timeout: float = 300,
    check: bool = True,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `command` for at most `timeout` seconds and return it with its output.

    Raises CommandError when it fails (unless `check` is false) or does not end in time.
    """
    text = " ".join(map(str, command))
    try:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=timeout, input=stdin, env=env, check=False
        )
    except subprocess.TimeoutExpired as expired:
        said = "\n".join(str(output) for output in (expired.stdout, expired.stderr) if output)
        raise CommandError(f"{text}\ndid not end within {timeout} s\n{said}") from None
    if check and done.returncode:
        raise CommandError(f"{text}\nexit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
