"""What to keep when a test fails: everything that one would ask the cluster for."""

import time
from pathlib import Path

from harness.cluster.release import Target
from harness.cluster.shell import CommandError, run

SECONDS = 180


def collect(target: Target, namespaces: list[str], folder: Path) -> None:
    """Write objects, events, descriptions and logs of the namespaces, and the state of the nodes, to `folder`.

    Never raises for a command that fails or hangs: its error is written instead, and after SECONDS nothing more is
    asked.
    """
    deadline = time.monotonic() + SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    _write(target, folder / "nodes.txt", "describe", "nodes")
    _write(target, folder / "top.txt", "top", "pods", "--all-namespaces")
    for namespace in namespaces:
        scope = ("--namespace", namespace)
        kinds = "deployments,replicasets,pods,services,endpointslices,horizontalpodautoscalers,poddisruptionbudgets"
        _write(target, folder / f"{namespace}-objects.txt", *scope, "get", kinds, "--output", "wide")
        _write(target, folder / f"{namespace}-objects.yaml", *scope, "get", kinds, "--output", "yaml")
        _write(target, folder / f"{namespace}-describe.txt", *scope, "describe", kinds)
        _write(target, folder / f"{namespace}-events.txt", *scope, "get", "events", "--sort-by", ".lastTimestamp")
        names = folder / f"{namespace}-pods.txt"
        _write(target, names, *scope, "get", "pods", "--output", "name")
        for pod in [line for line in names.read_text().splitlines() if line.startswith("pod/")]:
            if time.monotonic() > deadline:
                break
            name = f"{namespace}-{pod.removeprefix('pod/')}"
            _write(target, folder / f"{name}.log", *scope, "logs", pod, "--all-containers", "--timestamps")
            _write(target, folder / f"{name}-previous.log", *scope, "logs", pod, "--all-containers", "--previous")


def _write(target: Target, file: Path, *arguments: str) -> None:
    try:
        done = run(target.kubectl_command("--request-timeout=20s", *arguments), timeout=30, check=False)
        text = done.stdout + done.stderr
    except CommandError as error:
        text = str(error)
    file.write_text(text)
