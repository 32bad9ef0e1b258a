"""Where the work on an application is done: a folder of its own, in which one command works at a time."""

from __future__ import annotations

import fcntl
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from delivery.detection.description import Description


def own_folder(above: Path, description: Description) -> Path:
    """The folder of an application in `above`: two applications of one name have two."""
    return above / f"{description.name}-{hashlib.sha256(str(description.folder).encode()).hexdigest()[:10]}"


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Wait until no other command works in `folder`, and keep the others out of it; gives the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, since the folder itself may be emptied.
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another command that works in {folder}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield folder
