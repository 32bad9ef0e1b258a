"""What a worker that takes long to load the application tells the probes: where it stands."""

from __future__ import annotations

from pathlib import Path


class LoadReport:
    """One line in a file of the folder that the server's processes share. With several workers, the last one's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "loading"
        self._new = folder / ".loading"

    def write(self, line: str) -> None:
        """Keep where the application stands; an empty line once it is loaded."""
        self._new.write_text(line)
        self._new.rename(self._file)

    def read(self) -> str:
        """Where the application stands; empty if no worker loads it, or none has for long."""
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""
