"""The order in which modules are looked for: Python's own before the application's while nodrop is loaded, and the
application's first while the application is.

Whoever starts gunicorn in the application's folder has that folder first on the path from the beginning. A file of it
that is called like one of Python's own, such as `secrets.py` or `queue.py`, would be what Werkzeug gets to import.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def working_folder_last() -> None:
    """Look for modules in the working folder only where nobody else has them, until application_first() is called.

    It is left on the path because gunicorn would put it first again if it were missing.
    """
    here = Path.cwd()
    sys.path.sort(key=lambda entry: Path(entry).resolve() == here)


def application_first() -> None:
    """Look for modules in the working folder before anywhere else."""
    here = Path.cwd()
    sys.path[:] = [str(here), *(entry for entry in sys.path if Path(entry).resolve() != here)]


@contextmanager
def python_before_named() -> Iterator[None]:
    """Look for modules in what PYTHONPATH names last, after Python's own, within the block."""
    before = sys.path[:]
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path.sort(key=lambda entry: entry in named)
    try:
        yield
    finally:
        sys.path[:] = before
