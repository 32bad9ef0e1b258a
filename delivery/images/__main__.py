"""Build the image of an application, or without APP that of the example."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from delivery.checkout import default_python
from delivery.commands import ending
from delivery.images.build import build, build_example


@ending()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m delivery.images", description=__doc__)
    parser.add_argument("app", metavar="APP", nargs="?", help="the folder of the application, or a git address")
    parser.add_argument("--image", required=True, metavar="NAME:TAG")
    parser.add_argument("--version", default="", help="the version that the application reports; by default from git")
    parser.add_argument("--revision", default="", help="the commit, for the label; by default from git")
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the Dockerfile"
    )
    given = parser.parse_args(arguments)
    if given.app:
        return _build_application(given)
    made = dict(each.split("=", 1) for each in given.build_arg)
    made |= {"VERSION": given.version or "dev", "REVISION": given.revision or "unknown"}
    build_example(given.image, made)
    return 0


def _build_application(given: argparse.Namespace) -> int:
    # The example is built without them, with the standard library alone.
    from delivery.detection.detect import detect
    from delivery.detection.source import folder_of

    description = detect(folder_of(given.app), default_python())
    build(description, given.image, version=given.version, revision=given.revision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
