"""Makes the virtual environment, or says what is missing for it. Standard library only.

Without a folder it only says whether this Python is new enough; written so that an old one can run it.
"""

import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def is_old() -> bool:
    """Whether this Python is too old; if so, says what is needed."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Python {'.'.join(map(str, OLDEST))} or later is needed, {sys.executable} is {found}: "
            "install a newer one and name it with PYTHON=<path>",
            file=sys.stderr,
        )
        return True
    return False


def make(folder: Path) -> int:
    """Make a virtual environment in `folder`. Returns the exit status."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        print(made.stdout, end="", file=sys.stderr)
        print(
            f"{sys.executable} can't make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv",
            file=sys.stderr,
        )
    return made.returncode


if __name__ == "__main__":
    sys.exit(1 if is_old() else make(Path(sys.argv[1])) if sys.argv[1:] else 0)
