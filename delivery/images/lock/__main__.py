"""Lock the requirements of an application for its image. In its repository, only --keep writes something."""

from __future__ import annotations

import argparse
import sys

from delivery.checkout import BUILD, default_python
from delivery.commands import ending
from delivery.detection.detect import detect
from delivery.detection.source import folder_of
from delivery.images.folders import alone, own_folder
from delivery.images.lock import keep, lock


@ending()
def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit status: 1 if they can't be locked, 2 if something is undecided."""
    parser = argparse.ArgumentParser(prog="python -m delivery.images.lock", description=__doc__)
    parser.add_argument("app", metavar="APP", help="its folder, or the address of a git repository, `address@tag`")
    parser.add_argument("--upgrade", action="store_true", help="upgrade to newer releases")
    parser.add_argument("--keep", action="store_true", help="write requirements.lock into the repository")
    given = parser.parse_args(arguments)
    description = detect(folder_of(given.app), default_python())
    with alone(own_folder(BUILD / "lock", description)) as folder:
        locked = lock(description, folder, upgrade=given.upgrade)
        written = keep(description, locked) if given.keep else None
    for note in locked.notes:
        print(note, file=sys.stderr)
    print(
        f"Wrote {written}: commit it"
        if written
        else f"Locked in {locked.requirements}. KEEP=1 writes it for you to commit"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
