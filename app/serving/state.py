"""What the workers tell the management process: one empty file for each worker that accepts requests.

Files, because the two share no memory. The folder is new at each start, and a worker that is killed can't leave a lie
behind, since its process id is checked too.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WorkerState:
    """The workers that are ready, kept in `folder`, which must exist."""

    folder: Path

    def mark_ready(self, pid: int) -> None:
        """The worker has loaded the application and is about to accept requests."""
        (self.folder / str(pid)).touch()

    def forget(self, pid: int) -> None:
        """The worker is stopping or gone. May be called more than once, and from a signal handler."""
        (self.folder / str(pid)).unlink(missing_ok=True)

    def ready(self) -> list[int]:
        """The process ids of the workers that are ready and alive."""
        return [pid for pid in (int(path.name) for path in self.folder.iterdir()) if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
