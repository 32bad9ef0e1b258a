"""`make kind-test APP=../shop`: the proof of an application by others, with its image and its health route.

The proof deploys the application alone. What it needs besides, such as a database, is named in a values file.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from delivery.checkout import ROOT
from delivery.commands import ending
from delivery.deployment.application import describe
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Description
from delivery.images.build import build


def image_of(description: Description) -> str:
    """The reference of the image that the proof is about."""
    return f"{description.name}:proof"


def options(description: Description, values: Path | None) -> list[str]:
    """The proof's options. Raises DeploymentError for an application that can't be proven alone."""
    surroundings = description.surroundings
    needed = [each.name for each in surroundings.settings if each.required]
    needed += [each.value for each in surroundings.services]
    if needed and values is None:
        raise DeploymentError(
            f"the proof deploys {description.name} alone, which needs {', '.join(needed)}: give what it needs in a "
            "file of values for the chart, VALUES=<path>, with addresses that the test cluster reaches"
        )
    path = surroundings.health.value if surroundings.health else "/"
    chosen = ["--image", image_of(description), "--path", path]
    return [*chosen, "--values", str(values)] if values else chosen


@ending()
def main() -> int:
    """The command line. Returns the exit status; becomes pytest where the image could be built."""
    arguments = _arguments()
    description = describe(arguments.app).description
    chosen = options(description, arguments.values)
    build(description, image_of(description))
    os.chdir(ROOT)
    return os.execv(arguments.python, [arguments.python, "-m", "pytest", "k8s-tests", *chosen, *arguments.given])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m delivery.deployment.proof", description=__doc__)
    parser.add_argument("app", metavar="APP", help="its folder or git address")
    parser.add_argument("--python", required=True, help="the Python of the environment that has pytest")
    parser.add_argument("--values", type=Path, help="a values file for the chart")
    parser.add_argument("given", nargs="*", help="arguments of pytest, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
