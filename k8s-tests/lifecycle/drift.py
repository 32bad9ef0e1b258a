"""What differs between objects as they were rendered and as they live in the cluster, as GitOps controllers see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from harness.cluster.release import Target
from harness.cluster.shell import run

Object = dict[str, Any]
# What an object without a schema of its own may have.
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def identity(thing: Object) -> str:
    """The kind and the name of an object."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def differences(rendered: Object, live: Object) -> list[str]:
    """What of `rendered` is not so in `live`, which may have more: a line each, with the path."""
    wanted = dict(rendered)
    # Written as text, kept as base64.
    if text := wanted.pop("stringData", None):
        wanted["data"] = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    return [f"{identity(rendered)}{line}" for line in _differences(wanted, live, "")]


def _differences(wanted: object, live: object, path: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            if key in live:
                yield from _differences(value, live[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: {value!r} is not there"
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for number, (one, other) in enumerate(zip(wanted, live, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif wanted != live and not _same_quantity(wanted, live):
        yield f"{path}: {wanted!r} was rendered, {live!r} lives"


def _same_quantity(wanted: object, live: object) -> bool:
    """Whether both are the same quantity, which the API server writes in its own way: 1000m as 1."""
    if not (isinstance(wanted, str | int) and isinstance(live, str)):
        return False
    try:
        return bool(parse_quantity(wanted) == parse_quantity(live))
    except ValueError:
        return False


def stable(live: Object) -> Object:
    """The part of an object that only changes on purpose: without its status, and what counts the changes of that."""
    kept = {key: value for key, value in live.items() if key != "status"}
    metadata = dict(kept["metadata"])
    managed = metadata.pop("managedFields", [])
    metadata["managedFields"] = [each for each in managed if each.get("subresource") != "status"]
    if "status" in live:
        metadata.pop("resourceVersion")
    # A Deployment's, which its controller writes.
    if "annotations" in metadata:
        written = {"delivery.deployment.kubernetes.io/revision"}
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k not in written}
    return {**kept, "metadata": metadata}


@contextmanager
def kinds_known(target: Target, objects: list[Object]) -> Iterator[None]:
    """Have the API server accept objects of all their kinds while the `with` block runs, whatever is in those that it
    did not know."""
    known = {
        tuple(line.split()[-3::2])
        for line in run(target.kubectl_command("api-resources", "--no-headers")).stdout.splitlines()
    }
    unknown = sorted({(each["apiVersion"], each["kind"]) for each in objects} - known)
    definitions = [_definition(*version_and_kind) for version_and_kind in unknown]
    stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions})
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    try:
        if definitions:
            run(target.kubectl_command("create", "--filename", "-"), stdin=stdin)
            run(target.kubectl_command("wait", *names, "--for=condition=Established", "--timeout=30s"))
        yield
    finally:
        if definitions:
            run(target.kubectl_command("delete", *names, "--ignore-not-found"))


def _definition(version: str, kind: str) -> Object:
    group, _, version = version.partition("/")
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # Kubernetes guards this group against definitions that nobody approved.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}},
            ],
        },
    }
