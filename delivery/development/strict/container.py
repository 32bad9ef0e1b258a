"""The image as a container with what the chart gives a pod: a read-only root file system, user 10001 without
capabilities, /tmp, and a volume for each folder that the application writes to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from types import FrameType

from delivery.checkout import BUILD, private
from delivery.deployment.release.remedies import CODE
from delivery.detection.programs import decides_programs
from delivery.development.errors import DevelopmentError
from delivery.development.strict.advice import advise

USER = "10001:10001"
TMP_SIZE = "256m"
"""The chart's tmpSizeLimit."""
GRACEFUL_SECONDS = 30
"""The chart's shutdown.gracefulTimeoutSeconds."""
PORT, MANAGEMENT_PORT = 5000, 5001
RUN = BUILD / "run"
LONGEST_LINE_BYTES = 60_000
"""The engine reads lines of at most 64 KiB from a file of variables, names included."""


@dataclass(frozen=True)
class Strict:
    """What to run, and how."""

    image: str
    port: int = PORT
    address: str = "127.0.0.1"
    writable: tuple[str, ...] = ()
    """Folders of the image that are volumes; absolute. They begin with what the image has in them."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the application gets as its environment."""
    code: PurePosixPath = CODE
    """Where the image has the repository."""


def serve(strict: Strict) -> int:
    """Run until Ctrl-C, which stops it as Kubernetes does. Returns the exit status. Raises DevelopmentError."""
    name = f"strict-{uuid.uuid4().hex[:12]}"
    with _volumes(name, strict) as mounts, _passed(strict.variables) as (file, by_name):
        # In a session of its own: Ctrl-C is for this process, which stops the container gracefully.
        process = subprocess.Popen(
            command(name, strict, mounts, file), env={**os.environ, **by_name}, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        writable = ", ".join(["/tmp", *strict.writable])
        print(
            f"http://localhost:{strict.port} serves {strict.image} as in the pod, where only {writable} can be "
            "written to. Ctrl-C stops it",
            file=sys.stderr,
        )
        with process, _stopped_by_signals(name) as stopped:
            advice = _show(process, strict.code)
            status = process.wait()
    for line in advice:
        print(line, file=sys.stderr)
    return 0 if stopped.is_set() else status


def command(name: str, strict: Strict, mounts: Mapping[str, str], file: Path) -> list[str]:
    """The engine's command line. mounts: the folder of each volume. file: what `_passed` wrote.

    Values of variables are not in it, since everybody on this machine can see it.
    """
    stated = {
        **({} if "HOME" in strict.variables else {"HOME": "/tmp"}),
        # For whoever reads it here. A pod writes JSON.
        **({"LOG_FORMAT": "plain"} if sys.stdout.isatty() and "LOG_FORMAT" not in strict.variables else {}),
        "PORT": str(PORT),
        "MANAGEMENT_PORT": str(MANAGEMENT_PORT),
        "GRACEFUL_TIMEOUT": str(GRACEFUL_SECONDS),
    }
    # The engine takes from its environment what has a name alone.
    options = [each for each, value in strict.variables.items() if not _fits(value) and each not in stated]
    options += [f"{name}={value}" for name, value in stated.items()]
    return [
        "docker", "run", "--rm", "--name", name, "--read-only", "--user", USER, "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--tmpfs", f"/tmp:rw,exec,mode=1777,size={TMP_SIZE}",
        "--publish", f"{strict.address}:{strict.port}:{PORT}",
        *(part for volume, folder in mounts.items() for part in ("--volume", f"{volume}:{folder}")),
        "--env-file", str(file),
        *(part for each in options for part in ("--env", each)),
        strict.image,
    ]  # fmt: skip


@contextmanager
def _passed(variables: Mapping[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """A file of variables for the engine, while this lasts, and those that only its own environment can pass.

    The repository chooses their names: none that the engine itself reads may get there. Raises DevelopmentError.
    """
    by_name = {name: value for name, value in variables.items() if not _fits(value)}
    if refused := sorted(filter(decides_programs, by_name)):
        raise DevelopmentError(
            f"{refused[0]} has a value of several lines, which would have to stand in the environment of docker "
            "itself, and decides there which programs run: give it another name"
        )
    # Only this user can read it.
    with NamedTemporaryFile("w", dir=private(RUN), suffix=".env", encoding="utf-8") as file:
        file.write("".join(f"{name}={value}\n" for name, value in variables.items() if name not in by_name))
        file.flush()
        yield Path(file.name), by_name


def _fits(value: str) -> bool:
    """Whether a value can stand in the engine's file, whose values are single lines."""
    return not {"\n", "\r"} & set(value) and len(value.encode()) < LONGEST_LINE_BYTES


@contextmanager
def _volumes(name: str, strict: Strict) -> Iterator[dict[str, str]]:
    """A volume for each writable folder, with what the image has in it, owned by the server's user as in the pod."""
    mounts = {f"{name}-{number}": folder for number, folder in enumerate(strict.writable)}
    try:
        if mounts:
            options = [part for volume, folder in mounts.items() for part in ("--volume", f"{volume}:{folder}")]
            _docker("run", "--rm", "--user", "0", "--network", "none", *options, "--entrypoint", "chown",
                    strict.image, "-R", USER, *strict.writable)  # fmt: skip
        yield mounts
    finally:
        if mounts:
            _docker("volume", "rm", "--force", *mounts)


def _docker(*arguments: str) -> None:
    """Run the engine, whose errors are shown. Raises DevelopmentError."""
    if subprocess.run(["docker", *arguments], check=False, stdout=subprocess.DEVNULL).returncode:
        raise DevelopmentError(f"docker {' '.join(arguments[:2])} failed: see above")


@contextmanager
def _stopped_by_signals(name: str) -> Iterator[threading.Event]:
    """Have Ctrl-C and SIGTERM stop the container as kubelet does; a second one ends it at once."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        how = ("kill",) if stopped.is_set() else ("stop", "--time", str(GRACEFUL_SECONDS + 5))
        stopped.set()
        subprocess.Popen(["docker", *how, name], stdout=subprocess.DEVNULL, start_new_session=True)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(process: subprocess.Popen[str], code: PurePosixPath) -> list[str]:
    """Print what the container says until it ends. Returns what there is to do about it, each also said at once."""
    said: list[str] = []
    assert process.stdout
    for line in process.stdout:
        print(line, end="", flush=True)
        advice = advise(line, code)
        if advice and advice not in said:
            print(advice, file=sys.stderr, flush=True)
            said.append(advice)
    return said
