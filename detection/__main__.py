"""Say what a repository is: `python -m detection ../shop`. Nothing of it is run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from enum import Enum
from pathlib import Path

from detection.description import Undecided
from detection.detect import detect
from detection.report import describe, explain
from detection.source import folder_of
from detection.written import write

VERSIONS = Path(__file__).resolve().parents[1] / "versions.env"


def image_python() -> str:
    """The Python of the image where an application asks for none, such as 3.13."""
    match = re.search(r"^PYTHON_IMAGE=python:(\d+\.\d+)", VERSIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert match, f"{VERSIONS} has no PYTHON_IMAGE"
    return match[1]


def main(arguments: list[str] | None = None) -> int:
    """Print the description, or why there is none. Exit code: 0, or 2 if something is undecided."""
    parser = argparse.ArgumentParser(prog="python -m detection", description=__doc__)
    parser.add_argument("app", metavar="APP", help="its folder, or the address of a git repository, `address@tag`")
    parser.add_argument("--write", action="store_true", help="write what was found to flask-app.toml in the folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        description = detect(folder_of(given.app), image_python())
        print(
            json.dumps(dataclasses.asdict(description), indent=2, default=_plain)
            if given.json
            else describe(description)
        )
        if given.write:
            write(description)
            print(f"\nWrote {description.folder / 'flask-app.toml'}", file=sys.stderr)
    except Undecided as undecided:
        if given.json:
            print(json.dumps({"problems": [dataclasses.asdict(each) for each in undecided.problems]}, indent=2))
        else:
            print(explain(undecided.problems), file=sys.stderr)
        return 2
    return 0


def _plain(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


if __name__ == "__main__":
    sys.exit(main())
