"""What a worker that takes long to load the application tells the probes: where it stands."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class LoadReport:
    """One line in a file of the folder that the server's processes share. With several workers, the last one's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "loading"
        # Each process has its own: workers load at the same time.
        self._new = folder / f".loading-{os.getpid()}"

    def write(self, line: str) -> None:
        """Keep where the application stands; an empty line once it is loaded. On a full disk nothing is kept."""
        with contextlib.suppress(OSError):
            self._new.write_text(line)
            self._new.rename(self._file)

    def read(self) -> str:
        """Where the application stands; empty if no worker loads it, or none has for long."""
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""
