"""`make new`, `make eject` and `make update`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from delivery.checkout import ROOT, default_python
from delivery.commands import ending
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Undecided
from delivery.detection.detect import detect
from delivery.detection.report import explain
from delivery.ejection.eject import eject
from delivery.ejection.new import new
from delivery.ejection.parts import parts
from delivery.ejection.refusal import Refused
from delivery.ejection.update import update
from delivery.images.lock import LockError

UNDO = "To undo the update, run in that folder: git checkout HEAD -- . && git clean -fd ."


@ending()
def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit status: 0; 1 if it is refused or there are conflicts; 2 if it is undecided."""
    given = _parser().parse_args(arguments)
    try:
        folder = _folder(given.app, must_exist=given.command != "new")
        if given.command == "new":
            return _new(folder, given.name or folder.name, eject_too=given.eject)
        if given.command == "eject":
            return _eject(folder, given.dockerfile, force=given.force)
        return _update(folder)
    except Undecided as undecided:
        print(explain(undecided.problems), file=sys.stderr)
        return 2
    except (Refused, LockError, DeploymentError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m delivery.ejection", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("new", "eject", "update"):
        command = commands.add_parser(name, help=f"see make {name}")
        command.add_argument("app", metavar="APP", help="the folder of the application")
        if name == "new":
            command.add_argument(
                "--name", default="", help="the name of the application; by default that of the folder"
            )
            command.add_argument("--eject", action="store_true", help="write the files of make eject too")
        if name == "eject":
            command.add_argument("--dockerfile", default="", help="the path of the Dockerfile in the folder")
            command.add_argument("--force", action="store_true", help="replace existing files")
    return parser


def _folder(app: str, *, must_exist: bool) -> Path:
    folder = Path(app).expanduser().resolve()
    if not app.strip():
        raise Refused("APP is not set: name the folder of the application, as APP=../shop")
    if must_exist and not folder.is_dir():
        raise Refused(f"APP={app} is not a folder: clone the repository and name its folder, as APP=../shop")
    if folder.is_relative_to(ROOT):
        raise Refused(f"APP={app} is inside of this checkout: the files are for a repository of its own")
    return folder


def _new(folder: Path, name: str, *, eject_too: bool) -> int:
    _say(f"Wrote to {folder}:", new(folder, name, root=ROOT))
    if eject_too:
        return _eject(folder, "", force=False)
    print(f"\nServe it: make dev APP={folder}. Deploy it to a test cluster: make up APP={folder}")
    return 0


def _eject(folder: Path, dockerfile: str, *, force: bool) -> int:
    done = eject(detect(folder, default_python()), parts(), root=ROOT, dockerfile=dockerfile, force=force)
    _say(f"Wrote to {folder}:", _without_chart(done.files))
    _say("", done.notes)
    print("\nCommit these files. deploy/README.md says how to build and deploy with them.")
    return 0


def _update(folder: Path) -> int:
    done = update(detect(folder, default_python()), parts(), root=ROOT)
    if not done.changed:
        print(f"{folder} is up to date")
        return 0
    _say(f"Changed in {folder}:", _without_chart(done.changed))
    _say("", done.notes)
    if done.conflicts:
        listed = "".join(f"\n  {name}" for name in done.conflicts)
        print(
            f"\nYour edits and this version change the same lines of:{listed}\n"
            "Resolve the conflicts between <<<<<<< and >>>>>>>, then run git add and git commit. "
            f"{UNDO}",
            file=sys.stderr,
        )
        return 1
    print(f"\nReview them with git diff, then commit them. {UNDO}")
    return 0


def _without_chart(files: Iterable[str]) -> list[str]:
    """The files, and one line for those of the chart."""
    files = list(files)
    chart = [name for name in files if name.startswith("deploy/chart/")]
    others = [name for name in files if name not in chart]
    return [*others, *([f"deploy/chart/ ({len(chart)} files)"] if chart else [])]


def _say(title: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if lines:
        print("\n".join([title, *(f"  {line}" for line in lines)] if title else ["", *lines]))


if __name__ == "__main__":
    sys.exit(main())
