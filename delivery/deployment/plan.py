"""`make plan`: what `make deploy` would change in the cluster, resource by resource, and nothing is changed.

Exit status: 0, or with --detailed-exitcode 2 if something would change. 1: it can't be said.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from delivery.commands import ending
from delivery.deployment.deploy import parser
from delivery.deployment.errors import DeploymentError
from delivery.deployment.prepare import Prepared, say
from delivery.deployment.release.helm import Helm, Image
from delivery.deployment.release.kubectl import Kubectl, kubeconfig
from delivery.deployment.release.ownership import refuse_without_application
from delivery.deployment.settings.env_file import WITH_PASSWORD
from delivery.deployment.wanted import prepare_for
from tools import ToolUnavailable

CHANGED = 2
CONTEXT_LINES = 2
# They are on every resource, and say what the image's line says.
NOISE = ("app.kubernetes.io/version", "helm.sh/chart")
HIDDEN = "(hidden)"


def resources(manifest: str) -> dict[str, dict[str, Any]]:
    """The resources of a manifest, by kind and name. What changes with each release is left out."""
    found = {}
    for each in yaml.safe_load_all(manifest):
        if not each:
            continue
        _without_noise(each)
        found[f"{each['kind']}/{each['metadata']['name']}"] = each
    return found


def _without_noise(value: object) -> None:
    if isinstance(value, dict):
        labels = value.get("labels")
        if isinstance(labels, dict):
            for name in NOISE:
                labels.pop(name, None)
        for each in value.values():
            _without_noise(each)
    elif isinstance(value, list):
        for each in value:
            _without_noise(each)


def masked(resource: Mapping[str, Any], other: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A resource without what is secret in it. A value that differs from that of `other` is marked."""
    if resource["kind"] != "Secret":
        return resource
    found = dict(resource)
    for key in ("data", "stringData"):
        if key in found:
            before = (other or {}).get(key) or {}
            found[key] = {
                name: HIDDEN if not other or before.get(name) == value else f"{HIDDEN[:-1]}, differs)"
                for name, value in (found[key] or {}).items()
            }
    return found


def changes(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The lines of what changes: one for what is created or deleted, and a diff for what is changed."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            yield f"+ {name} is created"
        elif new is None:
            yield f"- {name} is deleted"
        else:
            yield f"~ {name} is changed"
            # The new one alone is marked.
            diff = difflib.unified_diff(
                _lines(masked(old, None)), _lines(masked(new, old)), n=CONTEXT_LINES, lineterm=""
            )
            yield from (f"    {line}" for line in list(diff)[2:] if not line.startswith("@@"))


def _lines(resource: Mapping[str, Any]) -> list[str]:
    """In YAML, without passwords of addresses. A value is not folded: a password would be in two lines."""
    text = WITH_PASSWORD.sub(HIDDEN, yaml.safe_dump(dict(resource), width=sys.maxsize))
    return text.splitlines()


def environment_changes(prepared: Prepared, current: str) -> Iterator[str]:
    """Which settings of the Secret change: their names alone."""
    version = prepared.version
    if not version or not version.new:
        return
    before = prepared.secrets.content(current)
    yield f"+ Secret/{version.name} is created, with these settings"
    for name in sorted(before.keys() | version.values.keys()):
        if name not in version.values:
            yield f"    - {name}"
        elif name not in before:
            yield f"    + {name}"
        elif before[name] != version.values[name]:
            yield f"    ~ {name} has a new value"


def _image(given: str, deployed: Mapping[str, Any]) -> Image:
    """The image to plan with: that of IMAGE, or else the one that runs."""
    if given:
        return Image.parse(given)
    there = deployed.get("image") or {}
    if not there.get("repository"):
        raise DeploymentError("nothing is deployed yet, so the image isn't known: set IMAGE=registry/name:tag")
    return Image(str(there["repository"]), str(there.get("tag") or ""), str(there.get("digest") or ""))


def plan(arguments: argparse.Namespace, kubectl: Kubectl) -> bool:
    """Print the changes. Returns whether there are any. Raises DeploymentError."""
    if arguments.app or arguments.env:
        prepared = prepare_for(arguments, kubectl)
        release, files = prepared.wanted.release, prepared.files
        say(prepared.notes)
    else:
        prepared, release = None, arguments.release or "flask-app"
        files = (str(arguments.values),) if arguments.values else ()
    helm = Helm(release, kubectl)
    deployed = helm.values()
    if not prepared:
        refuse_without_application(deployed, release, arguments.values, with_env=False)
    planned = helm.planned(_image(arguments.image, deployed), files)
    lines = list(changes(resources(helm.manifest()), resources(planned["manifest"])))
    if prepared:
        current = str((deployed.get("secrets") or {}).get("existingSecret") or "")
        lines = [*environment_changes(prepared, current), *_claim(prepared, kubectl), *lines]
    where = f"{release} in the namespace {kubectl.namespace}"
    print(f"{where}: nothing changes" if not lines else f"{where}:\n" + "\n".join(lines))
    if lines:
        for hook in _migrations(planned):
            print(f"Before that, this runs: {hook}")
    return bool(lines)


def _claim(prepared: Prepared, kubectl: Kubectl) -> Iterator[str]:
    if prepared.claim and not kubectl.find("persistentvolumeclaim", prepared.claim):
        yield f"+ PersistentVolumeClaim/{prepared.claim} is created"


def _migrations(planned: Mapping[str, Any]) -> Iterator[str]:
    """The commands of the jobs that run before an upgrade."""
    for hook in planned.get("hooks") or []:
        resource = yaml.safe_load(hook["manifest"]) or {}
        if resource.get("kind") == "Job" and "pre-upgrade" in hook.get("events", []):
            yield " ".join(resource["spec"]["template"]["spec"]["containers"][0]["command"])


@ending(ToolUnavailable, ValueError)
def main() -> int:
    """The command line. Returns the exit status."""
    options = parser("Show what make deploy would change in the cluster of the current kubeconfig.")
    options.add_argument("--image", default="", help="the image to deploy; by default the one that runs")
    options.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 if something would change")
    arguments = options.parse_args()
    with kubeconfig() as environment:
        changed = plan(arguments, Kubectl(arguments.namespace, environment=environment))
    return CHANGED if changed and arguments.detailed_exitcode else 0


if __name__ == "__main__":
    sys.exit(main())
