"""Small repositories, written out in the tests that read them."""

import textwrap
from pathlib import Path

from delivery.detection.repository import Repository


def made(folder: Path, files: dict[str, str]) -> Repository:
    """The repository with these files, by path. Their text may be indented."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
    return Repository(folder)
