"""The nodes of a kind cluster, which are containers: held, stopped, cut off the network, and looked into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.cluster import wait
from harness.cluster.release import Target
from harness.cluster.shell import run

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
MANIFESTS = "/etc/kubernetes/manifests"


class Nodes:
    """The nodes of the cluster of `target`. Names are those of the nodes and of their containers alike.

    apart: a node that no fault may hit, if it is not the control plane's.
    """

    def __init__(self, target: Target, apart: str | None = None) -> None:
        self._target, self._apart = target, apart

    @property
    def control_plane(self) -> str:
        """The node of the control plane."""
        return str(next(node.metadata.name for node in self._list() if CONTROL_PLANE in node.metadata.labels))

    @property
    def workers(self) -> list[str]:
        """The other nodes, but for the one that is kept apart."""
        workers = [node.metadata.name for node in self._list() if CONTROL_PLANE not in node.metadata.labels]
        return sorted(name for name in workers if name != self._apart)

    def address(self, name: str) -> str:
        """The node's address inside the cluster."""
        addresses = self._target.core.read_node(name).status.addresses
        return str(next(each.address for each in addresses if each.type == "InternalIP"))

    def can_be_scheduled_to(self) -> list[str]:
        """The workers that are not cordoned."""
        return [node.metadata.name for node in self._list() if not node.spec.unschedulable]

    def uid(self, name: str) -> str:
        """What tells this node from another one of the same name."""
        return str(self._target.core.read_node(name).metadata.uid)

    def is_ready(self, name: str) -> bool:
        """Whether the API server thinks that the node is ready."""
        conditions = self._target.core.read_node(name).status.conditions
        return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)

    def _list(self) -> list[Any]:
        return list(self._target.core.list_node().items)

    # --- What people do to nodes -------------------------------------------------------------------------------------

    def drain(self, name: str, timeout: float = 180) -> None:
        """kubectl drain: cordon, and evict every pod as disruption budgets allow."""
        command = ["drain", name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={timeout:.0f}s"]
        run(self._target.kubectl_command(*command), timeout=timeout + 30)

    def cordon(self, name: str) -> None:
        """kubectl cordon: nothing new is scheduled there."""
        run(self._target.kubectl_command("cordon", name))

    def uncordon(self, name: str) -> None:
        """kubectl uncordon."""
        run(self._target.kubectl_command("uncordon", name))

    def replace(self, name: str) -> None:
        """The node leaves the cluster, and registers again as another one of the same name."""
        run(self._target.kubectl_command("delete", "node", name))
        self.execute(name, "systemctl", "restart", "kubelet")
        wait.until(f"{name} has registered", lambda: name in self.workers, timeout=60)
        self._wait_ready(name)

    # --- What happens to nodes ---------------------------------------------------------------------------------------

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Every process of the node stands still, as on a host that swaps or whose hypervisor stalls."""
        run(["docker", "pause", name])
        try:
            yield
        finally:
            run(["docker", "unpause", name])
            self._wait_ready(name)

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """The node is switched off without notice, and switched on again at the end."""
        run(["docker", "kill", name])
        try:
            yield
        finally:
            run(["docker", "start", name])
            self._wait_ready(name)

    @contextmanager
    def partitioned(self, name: str) -> Iterator[None]:
        """Nothing reaches the node and nothing leaves it, while all that runs there goes on."""
        rules = [["INPUT", "--in-interface", "eth0"], ["OUTPUT", "--out-interface", "eth0"]]
        # Forwarded too, which is how pods are reached.
        rules += [["FORWARD", "--in-interface", "eth0"], ["FORWARD", "--out-interface", "eth0"]]
        made: list[list[str]] = []
        try:
            for rule in rules:
                # kube-proxy writes rules too, hence --wait.
                self.execute(name, "iptables", "--wait", "--insert", *rule, "--jump", "DROP")
                made.append(rule)
            yield
        finally:
            for rule in made:
                self.execute(name, "iptables", "--wait", "--delete", *rule, "--jump", "DROP")
            self._wait_ready(name)

    @contextmanager
    def without_control_plane(self) -> Iterator[None]:
        """API server, scheduler and controller manager are stopped; etcd, and what runs in pods, go on."""
        parts = [f"kube-{part}" for part in ("apiserver", "scheduler", "controller-manager")]
        node, aside = self.control_plane, "/etc/kubernetes/aside"
        files = " ".join(f"{MANIFESTS}/{part}.yaml" for part in parts)
        self.execute(node, "sh", "-c", f"mkdir -p {aside} && mv {files} {aside}/")
        try:
            wait.until("they are gone", lambda: not any(self.processes(node, part) for part in parts), timeout=60)
            yield
        finally:
            self.execute(node, "sh", "-c", f"mv {aside}/*.yaml {MANIFESTS}/")
            wait.until("the API server answers", self.api_answers, timeout=120)
            wait.until("the node is ready", lambda: self.is_ready(node), timeout=120)
            self.wait_control_plane()

    def wait_control_plane(self) -> None:
        """Wait until scheduler and controller manager work: each renews its lease, from now on."""
        names = ("kube-scheduler", "kube-controller-manager")
        before = {name: self._lease(name) for name in names}
        wait.until(
            "scheduler and controller manager work",
            lambda: all(self._lease(name) not in ("", before[name]) for name in names),
            timeout=120,
        )

    def _lease(self, name: str) -> str:
        """When the lease of a part of the control plane was renewed; empty if nobody says."""
        command = ["--namespace", "kube-system", "get", "lease", name, "--output", "jsonpath={.spec.renewTime}"]
        return run(self._target.kubectl_command(*command), check=False, timeout=30).stdout

    def api_answers(self) -> bool:
        """Whether the API server answers."""
        return run(self._target.kubectl_command("get", "--raw", "/readyz"), check=False, timeout=30).returncode == 0

    def _wait_ready(self, name: str) -> None:
        wait.until(f"{name} is ready", lambda: self.is_ready(name), timeout=180)

    # --- What is inside ----------------------------------------------------------------------------------------------

    def processes(self, node: str, name: str) -> list[int]:
        """The ids of the processes of this name on a node, as the node counts them."""
        # The kernel keeps 15 characters of a name. Not every node image has ps.
        found = self.execute(node, "sh", "-c", f"grep -lsx '{name[:15]}' /proc/[0-9]*/comm || true")
        return sorted(int(path.split("/")[2]) for path in found.split())

    def first_process(self, node: str, container: str) -> int:
        """The process that a container began with, by the container's id as Kubernetes gives it."""
        number = container.rpartition("/")[2]
        # grep fails, though it has found it, when any other process ends while it looks.
        found = self.execute(node, "sh", "-c", f"grep -ls '{number}' /proc/[0-9]*/cgroup || true")
        assert found, f"no process of the container {number} on {node}"
        return min(int(path.split("/")[2]) for path in found.split())

    def is_there(self, node: str, process: int) -> bool:
        """Whether a process of a node has not ended."""
        return "yes" in self.execute(node, "sh", "-c", f"test -d /proc/{process} && echo yes || true")

    def kill(self, node: str, process: int) -> None:
        """SIGKILL from outside, which not even a container's first process can ignore."""
        self.execute(node, "sh", "-c", f"kill -KILL {process}")

    def execute(self, node: str, *command: str) -> str:
        """Run a command on the node and return what it printed."""
        return run(["docker", "exec", node, *command]).stdout
