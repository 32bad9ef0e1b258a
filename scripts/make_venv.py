"""Makes the virtual environment, or says what is missing for it. Standard library only."""

import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def main(folder: Path) -> int:
    """Make a virtual environment in `folder`. Returns the exit status."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Python {'.'.join(map(str, OLDEST))} or later is needed, {sys.executable} is {found}: "
            "install a newer one and name it with PYTHON=<path>",
            file=sys.stderr,
        )
        return 1
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
    sys.exit(main(Path(sys.argv[1])))
