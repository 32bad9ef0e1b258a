"""`make up APP=../shop`: from a repository to the application on http://localhost:5000, served from a kind cluster.

Safe to run again: what is there already is kept, and what changed is rolled out.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cluster
from delivery.checkout import ROOT
from delivery.commands import ending
from delivery.deployment import overrides
from delivery.deployment.application import describe
from delivery.deployment.chart.values import fullname
from delivery.deployment.errors import DeploymentError
from delivery.deployment.prepare import Application, Prepared, Wanted, prepare, read_given, refuse_another, say
from delivery.deployment.release.helm import Helm, Image, command, run_to_its_end
from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.release.reasons import Watch
from delivery.deployment.services import databases, provided, reachable
from delivery.deployment.services.databases import PASSWORD, SERVED, Service
from delivery.deployment.services.storage import storage_node
from delivery.deployment.settings import required
from delivery.deployment.settings.secret import MadeUp
from delivery.detection.repository import Repository
from delivery.detection.surroundings.processes.compose import services_of
from tools import ToolUnavailable

EXAMPLE = "flask-app"
"""The chart's name too, so that the example's release has no other in front of it."""


def require_free(port: int) -> None:
    """Raise ClusterError if something listens on `port` of this machine: better now than after five minutes."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise cluster.ClusterError(
                f"port {port} is already in use: stop what uses it, or choose another with PORT=<port>"
            ) from error


def build_image(application: Application | None) -> str:
    """Build the image and return its reference, whose tag names the content: a new build is rolled out by it."""
    name = application.description.name if application else EXAMPLE
    if application:
        # Not before it is needed: what is missing is said at once.
        from delivery.images.build import build
        from delivery.images.errors import ImageError

        try:
            identity = build(application.description, f"{name}:dev")
        except ImageError as error:
            raise DeploymentError(f"\n{error}") from None
    else:
        subprocess.run(["make", "--directory", str(ROOT), "image", f"IMAGE={name}:dev"], check=True)
        asked = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Id}}", f"{name}:dev"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        identity = asked.stdout.strip()
    reference = f"{name}:{identity.removeprefix('sha256:')[:12]}"
    # Not name:dev, which another build may have moved.
    subprocess.run(["docker", "tag", identity, reference], check=True)
    return reference


def check(wanted: Wanted) -> list[Service]:
    """Say what is missing before anything is changed, and without a cluster. Returns the services to run."""
    user, given = overrides.read(wanted.values), read_given(wanted.env)
    if not wanted.application:
        return []
    description, settings = wanted.application.description, wanted.application.description.surroundings.settings
    known = {*given.names, *wanted.application.environment, *user.names}
    values = {**wanted.application.environment, **given.config, **given.secret}
    compose = {each.name for each in services_of(Repository(description.folder))}
    reachable.refuse_unreachable(values, compose, [each.kind for each in provided.services_of(description, "", ())])
    services = provided.services_of(description, wanted.release, known)
    reachable.refuse_parts(known, [each.kind for each in services])
    addresses = provided.addresses(description, services, "")
    unavailable = databases.refused([each.value for each in description.surroundings.services])
    if not user.has_more:
        known |= {*addresses, *required.keys_to_make(settings, known)}
        try:
            required.refuse_missing(settings, known, wanted.env)
        except DeploymentError as error:
            raise DeploymentError("\n".join([str(error), *_own_env_file(wanted), *unavailable])) from None
    say(tuple(unavailable))
    return services


def _own_env_file(wanted: Wanted) -> Iterator[str]:
    """A word about the env file that many repositories have. It is not taken by itself: it may be for another place."""
    assert wanted.application
    file = wanted.application.description.folder / ".env"
    if not wanted.env and file.is_file():
        yield f"There is one in the repository. To use it: ENV_FILE={file}. In the cluster, localhost is the pod."


def provide(wanted: Wanted, services: Sequence[Service]) -> Wanted:
    """Have keys and services in the cluster; returns what is wanted with the settings that they give."""
    if not wanted.application:
        return wanted
    wanted.kubectl.create_namespace()
    secret = MadeUp(wanted.kubectl, wanted.release)
    given = {*read_given(wanted.env).names, *wanted.application.environment, *overrides.read(wanted.values).names}
    made = provided.make_up(secret, wanted.application.description, services, given)
    if services:
        print(f"running {', '.join(each.name for each in services)} for development", flush=True)
        databases.start(wanted.kubectl, services, secret.name)
    addresses = provided.addresses(wanted.application.description, services, made.get(PASSWORD, ""))
    keys = {name: value for name, value in made.items() if name != PASSWORD}
    return replace(wanted, provided=keys | addresses)


def deploy(prepared: Prepared, image: str, timeout: str) -> None:
    """Deploy it. Raises ClusterError with the reason of the pods. What failed stays there, to be looked at."""
    wanted = prepared.wanted
    helm = Helm(wanted.release, wanted.kubectl)
    if _is_deployed(helm, prepared, image):
        print(f"{image} is deployed already, and nothing has changed since")
        return
    prepared.put()
    _clear_unfinished(helm)
    line = command(
        Image.parse(image), release=wanted.release, namespace=wanted.kubectl.namespace, timeout=timeout,
        values=prepared.files, extra=["--kube-context", wanted.kubectl.context], roll_back=False,
    )  # fmt: skip
    watch = Watch(wanted.kubectl, wanted.release, image, give_up=True)
    status = run_to_its_end(line, wanted.kubectl.environment, hopeless=watch.look)
    if status:
        watch.look()
        events = shlex.join(wanted.kubectl.command("get", "pods,events")[1:])
        raise cluster.ClusterError(f"\n{watch.explain()}\n\n{image} was not deployed; see kubectl {events}".lstrip())
    prepared.finish(deployed=True)


def _is_deployed(helm: Helm, prepared: Prepared, image: str) -> bool:
    """Whether an upgrade would change nothing."""
    if helm.status() != "deployed" or (prepared.version and prepared.version.new):
        return False
    planned = helm.planned(Image.parse(image), prepared.files)
    return bool(planned["manifest"].strip() == helm.manifest().strip())


def _clear_unfinished(helm: Helm) -> None:
    """Forget an upgrade whose helm was killed, which would be in the way of every other one."""
    status = helm.status()
    if status == "pending-install":
        helm.ask("uninstall", helm.release, "--wait")
    elif status.startswith("pending-"):
        helm.ask("rollback", helm.release)


def up(options: argparse.Namespace) -> None:
    """Create, build, deploy and forward; returns when the forwarding is interrupted."""
    require_free(options.port)
    cluster.require_engine()
    application = describe(options.app) if options.app else None
    release = options.release or (application.description.name if application else EXAMPLE)
    kubectl = Kubectl(options.namespace, f"kind-{options.cluster}", dict(os.environ))
    wanted = Wanted(kubectl, release, application, options.env, options.values, development=True)
    services = check(wanted)
    loaded = databases.local_images(services)
    cluster.create(options.cluster)
    if loaded:
        cluster.load_once(options.cluster, *loaded, nodes=[storage_node(kubectl)])
    refuse_another(wanted, Helm(release, kubectl).values(), overrides.read(options.values))
    # They start while the image is built.
    wanted = provide(wanted, services)
    prepared = prepare(wanted)
    say(prepared.notes)
    image = build_image(application)
    cluster.load_once(options.cluster, image)
    databases.wait(kubectl, services)
    deploy(prepared, image, options.timeout)
    _tell(prepared, services, options.port)
    line = kubectl.command("port-forward", f"service/{_service(wanted)}", f"{options.port}:5000")
    subprocess.run(line, check=True)


def _service(wanted: Wanted) -> str:
    """The name of the release's Service."""
    if wanted.application:
        return fullname(wanted.release)
    return wanted.release if EXAMPLE in wanted.release else f"{wanted.release}-{EXAMPLE}"


def _tell(prepared: Prepared, services: Sequence[Service], port: int) -> None:
    """What there is now, and what can be done with it."""
    wanted = prepared.wanted
    name = _service(wanted)
    app = f" APP={wanted.application.description.folder}" if wanted.application else ""
    kubectl = f"kubectl --context {wanted.kubectl.context} --namespace {wanted.kubectl.namespace}"
    lines = [
        f"Serving on http://localhost:{port} until Ctrl-C. The cluster stays: make down deletes it.",
        f"  values       {os.path.relpath(prepared.files[0])}, and your own with VALUES=<path>",
        f"  logs         {kubectl} logs --selector app.kubernetes.io/instance={wanted.release} --follow",
        f"  a command    {kubectl} exec deployment/{name} -- nodrop run -- flask shell",
        *(f"  {each.kind:<12} {kubectl} port-forward service/{each.name} {SERVED[each.kind]}" for each in services),
        *([f"  edits        make live{app} serves each at once"] if app else []),
        f"  a change     make up{app} again",
    ]
    print("\n" + "\n".join(lines) + "\n", flush=True)


@ending(cluster.ClusterError, ToolUnavailable)
def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Deploy an application to a kind cluster and forward a port to it.")
    parser.add_argument("--app", default="", help="the application's folder or git address; without it, the example")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--release", default="", help="the name of the release; by default that of the application")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--timeout", default="5m")
    parser.add_argument("--env", type=Path, help="a file of NAME=value lines, which become a Secret")
    parser.add_argument("--values", type=Path, help="a values file of your own, which takes precedence")
    try:
        up(parser.parse_args())
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
