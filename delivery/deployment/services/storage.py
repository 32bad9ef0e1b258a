"""Folders that outlive pods. In a kind cluster they are folders of one node, elsewhere claims of the default class."""

from __future__ import annotations

import secrets
import subprocess
from typing import Any

from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.settings.secret import labels

FOLDER = "/var/local/flask-app"
"""On the node. It is there as long as the cluster is."""


def claim(release: str, name: str, size: str, storage_class: str = "") -> dict[str, Any]:
    """A claim of the cluster's default class, if no other is given, for the pods of one node: any class offers that."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": labels(release, "storage")},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            **({"storageClassName": storage_class} if storage_class else {}),
            "resources": {"requests": {"storage": size}},
        },
    }


def node_claim(release: str, namespace: str, name: str, size: str, node: str, volume: str) -> list[dict[str, Any]]:
    """A claim with a volume that is a folder of this node: no provisioner is needed, and pods are placed on the node.

    The claim is reserved, so that nothing else takes the volume.
    """
    claimed = claim(release, name, size)
    claimed["spec"] |= {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": volume}
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume, "labels": labels(release, "storage")},
            "spec": {
                "capacity": {"storage": size},
                # All of them are on this node.
                "accessModes": ["ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "",
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name,
                },
                "local": {"path": f"{FOLDER}/{volume}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
            },
        },
        claimed,
    ]  # fmt: skip


def storage_node(kubectl: Kubectl) -> str:
    """The node whose folders are used: always the same one of those that take pods. Raises DeploymentError."""
    fit = sorted(
        node["metadata"]["name"]
        for node in kubectl.items("nodes")
        if not any(taint["effect"] != "PreferNoSchedule" for taint in node["spec"].get("taints", []))
    )
    if not fit:
        raise DeploymentError(
            "no node is schedulable: see kubectl get nodes, and make one schedulable with kubectl uncordon <node>"
        )
    return str(fit[0])


def make_folder(node: str, volume: str) -> None:
    """Make the folder on a kind node, which is a container. The kubelet gives it the group of the pods."""
    folder = f"{FOLDER}/{volume}"
    made = subprocess.run(["docker", "exec", node, "mkdir", "-p", folder], capture_output=True, text=True, check=False)
    if made.returncode:
        raise DeploymentError(f"{folder} can't be created on the node {node}: {made.stderr.strip()}")


def provide_on_node(kubectl: Kubectl, release: str, name: str, size: str) -> None:
    """Have a claim of this name in a kind cluster. One that is there stays as it is."""
    if kubectl.find("persistentvolumeclaim", name):
        return
    node = storage_node(kubectl)
    # One of its own: whoever has deleted the claim, or the namespace, wants to begin anew.
    volume = f"{kubectl.namespace}-{name}-{secrets.token_hex(3)}"
    make_folder(node, volume)
    kubectl.apply(*node_claim(release, kubectl.namespace, name, size, node, volume))


def provide(kubectl: Kubectl, release: str, name: str, size: str, storage_class: str = "") -> None:
    """Have a claim of this name in any cluster. One that is there stays as it is."""
    if not kubectl.find("persistentvolumeclaim", name):
        kubectl.apply(claim(release, name, size, storage_class))
