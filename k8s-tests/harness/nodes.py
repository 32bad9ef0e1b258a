"""The nodes of the cluster, and what operators do to them."""

from __future__ import annotations

from typing import Any

from harness.release import Target
from harness.shell import run

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


class Nodes:
    """The nodes of the cluster of `target`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def workers(self) -> list[str]:
        """The nodes that are not the control plane's."""
        return sorted(node.metadata.name for node in self._list() if CONTROL_PLANE not in node.metadata.labels)

    def _list(self) -> list[Any]:
        return list(self._target.core.list_node().items)

    def drain(self, name: str, timeout: float = 180) -> None:
        """kubectl drain: cordon, and evict every pod as disruption budgets allow."""
        command = ["drain", name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={timeout:.0f}s"]
        run(self._target.kubectl_command(*command), timeout=timeout + 30)

    def uncordon(self, name: str) -> None:
        """kubectl uncordon."""
        run(self._target.kubectl_command("uncordon", name))
