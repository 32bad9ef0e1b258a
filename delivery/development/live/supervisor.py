"""In the container of a worker: runs the worker's command, and starts it anew after SIGHUP.

The worker gets SIGTERM and may finish what it does. One that ends by itself is started anew; one that ends within
seconds of its start, as with code that can't be loaded, waits for the next SIGHUP. Arguments: a file for the state,
then the command.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SOON_SECONDS = 5.0


class Supervisor:
    """Runs a command. file: where it says its process id, and how often it has started the command."""

    def __init__(self, file: Path, command: list[str]) -> None:
        self._file, self._command = file, command
        self._child: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._is_changed = False
        self._is_ending = False
        signal.signal(signal.SIGHUP, self._change)
        signal.signal(signal.SIGTERM, self._end)

    def _change(self, *_: object) -> None:
        self._is_changed = True
        if self._child:
            self._child.terminate()

    def _end(self, *_: object) -> None:
        self._is_ending = True
        if self._child:
            self._child.terminate()

    def run(self) -> int:
        """Run the command until SIGTERM; returns its exit status."""
        status = 0
        while not self._is_ending:
            began = time.monotonic()
            self._is_changed = False
            self._child = subprocess.Popen(self._command)
            self._starts += 1
            self._say()
            if self._is_signalled():
                # By one that came before there was a child.
                self._child.terminate()
            status = self._child.wait()
            if not self._is_signalled() and time.monotonic() - began < SOON_SECONDS:
                print(f"the worker exited with status {status}: it restarts after the next change", flush=True)
                while not self._is_signalled():
                    time.sleep(0.05)
        return status if status >= 0 else 128 - status

    def _is_signalled(self) -> bool:
        return self._is_changed or self._is_ending

    def _say(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{os.getpid()} {self._starts}")
        new.rename(self._file)


if __name__ == "__main__":
    sys.exit(Supervisor(Path(sys.argv[1]), sys.argv[2:]).run())
