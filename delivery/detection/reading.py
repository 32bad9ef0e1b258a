"""Files and formats of a repository that nobody vouches for: read within bounds, so that none stops detection."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

LARGEST_BYTES = 2_000_000
"""Of a file that is read. Generated tables are larger, and no application is made in them."""
LARGEST_LOCK_BYTES = 50_000_000
"""Of a lock file, which lists every archive of every package."""
LONGEST_LINE = 4096
"""Characters of a line that are looked at where lines are searched."""
_DOTTED = re.compile(r"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}")
"""A key of more than 100 parts, for which tomllib takes time that grows with the square of their number."""
TOO_DEEP = "its values are nested too deeply"


def read_bytes(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """What is in a file. Raises OSError if it can't be read, is larger than `most` bytes, or is a pipe or a device."""
    # Opening a pipe that nobody writes to would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 1_000_000} MB", str(path))
    return content


def from_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says. Raises ValueError."""
    if _DOTTED.search(text):
        raise ValueError(TOO_DEEP)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def from_json(text: str | bytes) -> Any:
    """What a text in JSON says. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
