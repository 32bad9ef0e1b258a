"""Pods that try to reach others, and can be reached: what a NetworkPolicy is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.cluster.release import Target
from harness.cluster.shell import run
from harness.cluster.temporary import Temporary

PORT = 8000
# A packet that is dropped leaves the client waiting; one that is let through is answered in milliseconds.
CONNECT_SECONDS = 3.0
STARTED_SECONDS = 90

CONNECT = """\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
except ConnectionRefusedError:
    sys.exit("refused")
except OSError:
    print("denied")
else:
    print("connected")
"""


def connects(target: Target, namespace: str, pod: str, host: str, port: int) -> bool:
    """Whether a process in the pod, which must have Python, gets a TCP connection to the address.

    Raises CommandError where it is refused: then nobody listens there, which says nothing about policies.
    """
    command = ["exec", pod, "--", "python", "-c", CONNECT, host, str(port), str(CONNECT_SECONDS)]
    return run(target.kubectl_command("--namespace", namespace, *command)).stdout.strip() == "connected"


@dataclass
class Peer(Temporary):
    """A pod that listens on PORT and tries connections, while the `with` block runs."""

    target: Target = field(repr=False)
    image: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    """Its IP address, once it runs."""

    def connects(self, host: str, port: int) -> bool:
        """Whether it gets a TCP connection; see connects()."""
        return connects(self.target, self.namespace, self.name, host, port)

    def start(self) -> None:
        """Wait until it listens, and learn its address."""
        run(self._kubectl("create", "--filename", "-"), stdin=json.dumps(self._manifest()))
        run(self._kubectl("wait", f"pod/{self.name}", "--for=condition=Ready", f"--timeout={STARTED_SECONDS}s"))
        self.address = self.target.core.read_namespaced_pod(self.name, self.namespace).status.pod_ip

    def delete(self) -> None:
        """Delete the pod, and wait for nothing."""
        run(self._kubectl("delete", "pod", self.name, "--grace-period=0", "--force", "--wait=false"))

    def _kubectl(self, *arguments: str) -> list[str]:
        return self.target.kubectl_command("--namespace", self.namespace, *arguments)

    def _manifest(self) -> dict[str, object]:
        restricted = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels)},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "containers": [
                    {
                        "name": "peer",
                        "image": self.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-m", "http.server", str(PORT), "--directory", "/prober"],
                        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                        "securityContext": restricted,
                    }
                ],
            },
        }
