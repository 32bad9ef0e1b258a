"""Build the image of an application, and run it as restricted as in its pod."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from delivery.commands import ending
from delivery.deployment.application import describe
from delivery.deployment.chart.folders import CODE, find_folders
from delivery.deployment.prepare import say
from delivery.deployment.services.connections import DATABASE_URL
from delivery.development.local import read_env_file
from delivery.development.strict.container import PORT, Strict, serve
from delivery.images.build import build, build_example
from delivery.images.context import place
from tools import ToolUnavailable


@ending(ToolUnavailable)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: python -m delivery.development.strict [APP]. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m delivery.development.strict", description=__doc__)
    parser.add_argument("app", metavar="APP", nargs="?", help="as for `make run`; without it, the example")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--env", type=Path, metavar="FILE", help="the env file")
    given = parser.parse_args(arguments)
    strict = of_application(given.app, given.env) if given.app else of_example(given.env)
    return serve(replace(strict, port=given.port, address=given.address))


def of_example(env: Path | None) -> Strict:
    """The example, built. Raises ImageError, DeploymentError."""
    image = "flask-app:strict"
    build_example(image, {})
    return Strict(image, variables=read_env_file(env))


def of_application(app: str, env: Path | None) -> Strict:
    """An application, built, with the folders that the chart mounts. Raises ImageError, DeploymentError."""
    application = describe(app)
    description = application.description
    say(description.notes)
    variables = {**application.environment, **read_env_file(env)}
    folders = find_folders(
        description,
        development=True,
        has_database=any(
            DATABASE_URL.fullmatch(name) and not value.startswith("sqlite") for name, value in variables.items()
        ),
        given=variables,
    )
    image = f"{description.name}:strict"
    build(description, image)
    writable = [str(each.path) for each in folders.folders]
    return Strict(
        image,
        writable=tuple([str(CODE), *writable] if folders.copy_code else writable),
        variables={**variables, **dict(each.value for each in folders.settings)},
        code=CODE / place(description),
    )


if __name__ == "__main__":
    sys.exit(main())
