"""Say what a repository is: `python -m delivery.detection ../shop`. Nothing of it is run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from enum import Enum

from delivery.checkout import default_python
from delivery.detection.description import Undecided
from delivery.detection.detect import detect
from delivery.detection.report import describe, explain
from delivery.detection.source import folder_of
from delivery.detection.written import write


def main(arguments: list[str] | None = None) -> int:
    """Print the description, or why there is none. Exit code: 0, or 2 if something is undecided."""
    parser = argparse.ArgumentParser(prog="python -m delivery.detection", description=__doc__)
    parser.add_argument("app", metavar="APP", help="its folder, or the address of a git repository, `address@tag`")
    parser.add_argument("--write", action="store_true", help="write what was found to flask-app.toml in the folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        description = detect(folder_of(given.app), default_python())
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
