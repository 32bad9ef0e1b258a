"""In a pod, before the application starts: puts the image's files where they can be changed, and has them brought up to
date. It is a sidecar (an init container that stays): the application starts when the marker is there.

Arguments: the image's folder, the volume, the marker, the seconds to wait for `make live`, and what else must be in the
volume since something is mounted there: `folder:PATH` or `file:PATH`.
"""

import compileall
import py_compile
import shutil
import signal
import sys
import time
from pathlib import Path

COPIED = "-copied"
"""Behind the marker's name: all files of the image are there."""


def copy(source: Path, volume: Path) -> None:
    """Copy all files, and compile them so that a change of a source is always seen, unlike in the image."""
    for entry in source.iterdir():
        target = volume / entry.name
        if entry.is_dir() and not entry.is_symlink():
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(entry, target, symlinks=True, ignore=without, dirs_exist_ok=True)
        else:
            shutil.copy2(entry, target, follow_symlinks=False)
    compileall.compile_dir(volume, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def prepare(volume: Path, wanted: list[str]) -> None:
    """Have a place for each mount: the runtime can't make it in a volume that is read-only."""
    for each in wanted:
        kind, _, path = each.partition(":")
        place = volume / path
        (place if kind == "folder" else place.parent).mkdir(parents=True, exist_ok=True)
        if kind == "file":
            place.touch()


def main(source: str, volume: str, marker: str, seconds: str, *wanted: str) -> None:
    """Return never; SIGTERM ends the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A container that was started again finds all of it.
    if not Path(marker).exists():
        copy(Path(source), Path(volume))
        prepare(Path(volume), list(wanted))
        Path(marker + COPIED).touch()
        deadline = time.monotonic() + float(seconds)
        while not Path(marker).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        Path(marker).touch()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
