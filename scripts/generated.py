"""What `make docs` has in common for all files that it writes, in whole or between two comments."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def between(text: str, start: str, end: str, content: str) -> str:
    """`text` with `content` between the lines `start` and `end`. Raises ValueError unless each is there once."""
    before, rest = text.split(start)
    _, after = rest.split(end)
    return f"{before}{start}\n{content}\n{end}{after}"


def cell(text: str) -> str:
    """`text` as it can stand in a cell of a Markdown table."""
    return text.replace("|", "&#124;")


def main(description: str, source: str, rendered: Callable[[], dict[Path, str]]) -> int:
    """Write the files that `rendered` gives, or with --check compare them with `source`. Returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a file is out of date")
    check = parser.parse_args().check
    files = rendered()
    stale = [path for path, text in files.items() if path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.name} does not agree with {source}: run make docs", file=sys.stderr)
        else:
            path.write_text(files[path])
    return 1 if check and stale else 0
