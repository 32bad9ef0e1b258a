"""The kind cluster: create, load images into, delete. Used by `make up`, `make down` and the tests in k8s-tests/.

    python3 scripts/cluster.py create --name NAME [--kubeconfig FILE]
    python3 scripts/cluster.py load --name NAME IMAGE...
    python3 scripts/cluster.py delete --name NAME
    python3 scripts/cluster.py require-engine

KIND_NODE_IMAGE names the node image; without it, the one that `make offline` built, else kind's own default, the
official one that belongs to the pinned kind version. Standard library only, like tools.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools import ToolUnavailable, resolve

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "kind-config.yaml"
METRICS_SERVER = ROOT / "k8s-tests" / "manifests" / "metrics-server.yaml"
OFFLINE_SETTINGS = ROOT / ".tools" / "offline.env"
# Nodes were ready 25-35 s after kind returned on two cores; a laptop that pulls images first needs minutes.
NODES_READY_SECONDS = 300
METRICS_READY_SECONDS = 180


class ClusterError(RuntimeError):
    """The cluster can't be had; the message says why and what to do."""


def require_engine() -> None:
    """Raise ClusterError unless a container engine answers."""
    if not shutil.which("docker"):
        raise ClusterError("docker is not on PATH: install Docker Engine or Docker Desktop. " + _offline_hint())
    asked = subprocess.run(
        ["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        said = (asked.stderr.strip() or asked.stdout.strip()).splitlines()
        raise ClusterError(
            f"the Docker engine does not answer ({said[-1] if said else 'no message'}): start it, "
            "and see that you may use it (docker info). " + _offline_hint()
        )


def _offline_hint() -> str:
    return "Where no image registry can be reached, on Debian 12 or later as root: make offline"


def node_image(variables: dict[str, str] | None = None) -> str | None:
    """The node image to ask kind for; None for kind's own default."""
    chosen = (variables if variables is not None else dict(os.environ)).get("KIND_NODE_IMAGE")
    if chosen:
        return chosen
    if OFFLINE_SETTINGS.is_file():
        for line in OFFLINE_SETTINGS.read_text().splitlines():
            name, _, value = line.partition("=")
            if name == "KIND_NODE_IMAGE":
                return value
    return None


def _run(*command: str | Path, quiet: bool = False) -> str:
    """Run a command and return its standard output; its standard error goes to ours. ClusterError if it fails."""
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
    )
    if done.returncode:
        detail = f": {done.stderr.strip()}" if quiet and done.stderr else ""
        raise ClusterError(f"{Path(command[0]).name} {' '.join(map(str, command[1:3]))} failed{detail}")
    return done.stdout


def exists(name: str) -> bool:
    """Whether there is a kind cluster of that name."""
    return name in _run(resolve("kind"), "get", "clusters", quiet=True).split()


def create(name: str, kubeconfig: Path | None = None) -> None:
    """Create the cluster, if it is not there, with ready nodes and a metrics server; raises ClusterError.

    kubeconfig: the file to write access to; kind's default (KUBECONFIG or ~/.kube/config) when None. Of a cluster
    that was there already it is written again.
    """
    require_engine()
    kind = resolve("kind")
    target = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
    there = exists(name)
    try:
        if there:
            print(f"cluster {name} is there already", file=sys.stderr)
            _run(kind, "export", "kubeconfig", "--name", name, *target)
        else:
            image = node_image()
            chosen = ("--image", image) if image else ()
            _run(kind, "create", "cluster", "--name", name, "--config", CONFIG, *target, *chosen)
        kubectl = (resolve("kubectl"), *target, "--context", f"kind-{name}")
        _wait_for_nodes(kubectl)
        _run(*kubectl, "apply", "--filename", METRICS_SERVER)
        _run(
            *kubectl, "--namespace", "kube-system", "rollout", "status", "deployment/metrics-server",
            "--timeout", f"{METRICS_READY_SECONDS}s",
        )  # fmt: skip
    except BaseException as error:
        if not there:
            # Also on Ctrl-C: half a cluster would be in the way of the next try.
            print(f"removing the unfinished cluster {name}", file=sys.stderr)
            subprocess.run([kind, "delete", "cluster", "--name", name, *target], check=False, capture_output=True)
        elif isinstance(error, ClusterError):
            raise ClusterError(
                f"{error}\nThe cluster {name} was there already and does not work: delete it with "
                f"kind delete cluster --name {name}, then try again"
            ) from error
        raise


def _wait_for_nodes(kubectl: tuple[str | Path, ...]) -> None:
    """Wait until every node is ready. Not `kind create --wait`, which succeeds when its time runs out."""
    deadline = time.monotonic() + NODES_READY_SECONDS
    while True:
        try:
            nodes = json.loads(_run(*kubectl, "get", "nodes", "--output", "json", quiet=True))["items"]
            waiting = [node["metadata"]["name"] for node in nodes if not _is_ready(node)]
            if nodes and not waiting:
                return
            why = f"nodes not ready: {', '.join(waiting) or 'none there'}"
        except ClusterError as error:
            # The API server of a cluster that was just started again may take a moment.
            why = str(error)
        if time.monotonic() > deadline:
            raise ClusterError(f"after {NODES_READY_SECONDS} s, {why}")
        time.sleep(1)


def _is_ready(node: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def load(name: str, *images: str, nodes: Sequence[str] = ()) -> None:
    """Copy images of the local engine to every node of the cluster, or to these; raises ClusterError."""
    chosen = ("--nodes", ",".join(nodes)) if nodes else ()
    _run(resolve("kind"), "load", "docker-image", "--name", name, *chosen, *images)


def load_once(name: str, *images: str, nodes: Sequence[str] = ()) -> None:
    """Copy images to the nodes, or to these, that have none of their names yet; raises ClusterError.

    kind itself compares the images' digests, which differ between some engines and containerd, and copies them anew.
    """
    for image in images:
        lacking = [node for node in nodes or workers(name) if not _has(node, image)]
        if lacking:
            load(name, image, nodes=lacking)


def _has(node: str, image: str) -> bool:
    listed = _run("docker", "exec", node, "ctr", "--namespace", "k8s.io", "images", "ls", "--quiet", quiet=True)
    # Docker leaves out what containerd writes in full.
    return not {image, f"docker.io/{image}", f"docker.io/library/{image}"}.isdisjoint(listed.split())


def workers(name: str) -> list[str]:
    """The nodes that pods are placed on: those beside the control plane, unless there are no others."""
    nodes = sorted(_run(resolve("kind"), "get", "nodes", "--name", name).split())
    return [node for node in nodes if "control-plane" not in node] or nodes


def delete(name: str) -> None:
    """Delete the cluster; nothing happens if there is none."""
    require_engine()
    _run(resolve("kind"), "delete", "cluster", "--name", name)


def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Create, fill and delete the kind cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("create", "load", "delete"):
        sub = commands.add_parser(command)
        sub.add_argument("--name", required=True)
        if command == "create":
            sub.add_argument("--kubeconfig", type=Path)
        if command == "load":
            sub.add_argument("images", nargs="+")
    commands.add_parser("require-engine")
    arguments = parser.parse_args()
    try:
        if arguments.command == "create":
            create(arguments.name, arguments.kubeconfig)
        elif arguments.command == "load":
            load(arguments.name, *arguments.images)
        elif arguments.command == "delete":
            delete(arguments.name)
        else:
            require_engine()
    except (ClusterError, ToolUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
