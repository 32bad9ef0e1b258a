"""The order in which modules are looked for: Python's own before the application's while nodrop is loaded, and the
application's first while the application is.

Whoever starts gunicorn in the application's folder has that folder first on the path from the beginning. A file of it
that is called like one of Python's own, such as `secrets.py` or `queue.py`, would be what Werkzeug gets to import.
"""

import os
import sys
from pathlib import Path


def set_working_folder_aside() -> None:
    """Look for no module in the working folder, until application_first() is called."""
    here = Path.cwd()
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]


def application_first() -> None:
    """Look for modules in the working folder before anywhere else."""
    set_working_folder_aside()
    sys.path.insert(0, str(Path.cwd()))


def python_first() -> None:
    """Look for modules in what PYTHONPATH names last, after Python's own."""
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path.sort(key=lambda entry: entry in named)
