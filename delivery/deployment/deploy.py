"""`make deploy`: one helm upgrade that waits, and rolls back by itself when the new version does not become ready.

It prints the command, which a person may run by hand. The cluster is the one of the current kubeconfig, or, where
KUBECONFIG_CONTENT is set, of that kubeconfig: for pipelines, which hold it as a secret and not as a file.

With APP, the values are those that the application's repository asks for; with ENV, its settings become a Secret.
Nothing but the application is deployed: its databases are yours.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from delivery.commands import ending
from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.helm import Helm, Image, command, run_to_its_end
from delivery.deployment.release.kubectl import Kubectl, kubeconfig
from delivery.deployment.release.reasons import Watch
from tools import ToolUnavailable


def parser(description: str) -> argparse.ArgumentParser:
    """The options that `make deploy` and `make plan` share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--app", default="", help="the application's folder or git address")
    made.add_argument("--env", type=Path, help="a file of NAME=value lines, which become a Secret")
    made.add_argument("--release", default="", help="the name of the release; by default that of the application")
    made.add_argument("--namespace", required=True)
    made.add_argument("--values", type=Path, help="a values file of your own, which takes precedence")
    return made


@ending(ToolUnavailable, ValueError)
def main() -> int:
    """The command line. Returns helm's exit status."""
    options = parser("Deploy an image to the cluster of the current kubeconfig.")
    options.add_argument("--image", required=True)
    options.add_argument("--timeout", default="5m")
    arguments, extra = options.parse_known_args()
    image = Image.parse(arguments.image)
    if arguments.values and not arguments.values.is_file():
        raise DeploymentError(f"VALUES={str(arguments.values)!r} is not a file")
    with kubeconfig() as environment:
        return deploy(image, arguments, extra, environment)


def deploy(image: Image, arguments: argparse.Namespace, extra: list[str], environment: Mapping[str, str]) -> int:
    """Deploy; returns helm's exit status. Raises DeploymentError before anything is changed."""
    kubectl = Kubectl(arguments.namespace, environment=environment)
    chosen = kubectl.ask("config", "current-context")
    if not chosen.returncode:
        # Before anything is changed: `make up`, for example, selects the context of its own cluster.
        print(f"context: {chosen.stdout.strip()}", flush=True)
    release = arguments.release or "flask-app"
    files = [str(arguments.values)] if arguments.values else []
    prepared = None
    if arguments.app or arguments.env:
        # Only what a description or an env file needs, so that a plain deployment is Python's standard library alone.
        from delivery.deployment.prepare import say
        from delivery.deployment.wanted import prepare_for

        prepared = prepare_for(arguments, kubectl)
        release, files = prepared.wanted.release, list(prepared.files)
        say(prepared.notes)
        prepared.put()
    else:
        from delivery.deployment.release.ownership import refuse_without_application

        refuse_without_application(Helm(release, kubectl).values(), release, arguments.values, with_env=False)
    helm = command(
        image, release=release, namespace=arguments.namespace, timeout=arguments.timeout, values=files, extra=extra
    )
    print(shlex.join(helm), flush=True)
    watch = Watch(kubectl, release, arguments.image)
    status = run_to_its_end(helm, environment, hopeless=watch.look)
    if prepared:
        prepared.finish(deployed=not status)
    if status:
        print(
            f"{watch.explain()}\n\n{arguments.image} was not deployed. If {release} was running before, it still "
            f"runs: see helm --namespace {arguments.namespace} history {release}".lstrip(),
            file=sys.stderr,
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
