"""A gateway in front of a release that tries idempotent requests again: HAProxy with gateway/haproxy.cfg.

It does without the release's Service: it finds the pods by a headless Service of its own, checks them itself, and so
knows of one that is lost long before the cluster does. Behind it the loss of a pod has a budget of zero.
"""

from __future__ import annotations

import json
import re

from harness.cluster import wait
from harness.cluster.release import Release, Target
from harness.cluster.shell import run
from harness.cluster.temporary import Temporary

PORT = 8080
STATUS_PORT = 8404
# It answers within a second of its start; the image is in the cluster already. But it knows its pods from CoreDNS,
# which hears of a new Service up to a minute late when the API server was gone before (client-go asks again after 30
# seconds, and up to as many more at random), and remembers for half a minute that there was none.
START_SECONDS = 120

_METRICS = f"http://127.0.0.1:{STATUS_PORT}/metrics"
# The image has no curl, but it has Python.
_FETCH = f"from urllib.request import urlopen; print(urlopen('{_METRICS}', timeout=5).read().decode())"
# Refused until kube-proxy on this node, where the probers are too, knows that the Service leads here.
_CONNECT = "import socket; socket.create_connection(('{host}', {port}), timeout=2)"
_REDISPATCHED = re.compile(r'^haproxy_backend_redispatch_warnings_total\{proxy="pods"\} (\d+)$', re.MULTILINE)


class Gateway(Temporary):
    """A gateway that runs while the `with` block does, in the release's namespace, on the control plane's node.

    image: HAProxy with its configuration.
    pods: how many of the release's pods it must know before the block is entered; all that are ready if not given.
    """

    def __init__(self, target: Target, image: str, release: Release, *, pods: int | None = None) -> None:
        self._target, self._image, self._release, self._least = target, image, release, pods
        self.name = f"{release.fullname}-gateway"
        self._pods_name = f"{release.fullname}-pods"

    @property
    def url(self) -> str:
        """The gateway, as other pods in the cluster reach it."""
        return f"http://{self.name}.{self._release.namespace}:{PORT}"

    def retried(self) -> int:
        """How many tries it has made so far at another pod, after the first of each request: what it has hidden."""
        metrics = run(self._kubectl("exec", self.name, "--", "python", "-c", _FETCH)).stdout
        found = _REDISPATCHED.search(metrics)
        assert found, f"no count of redispatches in the gateway's metrics:\n{metrics[:2000]}"
        return int(found[1])

    def log(self) -> str:
        """What it has said: pods that came, went, and failed their checks; requests that failed or were tried again."""
        return run(self._kubectl("logs", self.name), check=False).stdout

    def start(self) -> None:
        """Wait until it is ready, knows its pods, and is reached."""
        run(self._kubectl("create", "--filename", "-"), stdin=json.dumps(self._manifest()))
        # Its own startup probe waits for the pods.
        wait.until(f"{self.name} is ready and knows its pods", self._is_ready, timeout=START_SECONDS)
        wait.until(f"its Service leads to {self.name}", self._is_reached, timeout=START_SECONDS)

    def delete(self) -> None:
        """Delete the pod and both Services."""
        names = [f"pod/{self.name}", f"service/{self.name}", f"service/{self._pods_name}"]
        run(self._kubectl("delete", *names, "--ignore-not-found", "--grace-period=0", "--force"))

    def _kubectl(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", self._release.namespace, *arguments)

    def _is_ready(self) -> bool:
        pod = self._target.core.read_namespaced_pod(self.name, self._release.namespace)
        return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])

    def _is_reached(self) -> bool:
        connect = _CONNECT.format(host=f"{self.name}.{self._release.namespace}", port=PORT)
        return run(self._kubectl("exec", self.name, "--", "python", "-c", connect), check=False).returncode == 0

    def _manifest(self) -> dict[str, object]:
        namespace = self._release.namespace
        deployment = self._release.deployment()
        least = self._least or deployment.status.ready_replicas or 1
        # Not the release's, by which its Deployment, Service and budget select.
        labels = {"app.kubernetes.io/name": "gateway", "app.kubernetes.io/instance": self.name}
        headless = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self._pods_name, "namespace": namespace, "labels": labels},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": False,
                "selector": dict(deployment.spec.selector.match_labels),
            },
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespace, "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]},
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": namespace, "labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                # Beside the probers, where no fault is injected.
                "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
                "tolerations": [{"operator": "Exists"}],
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "gateway",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "env": [
                            # In full, since HAProxy knows no search domains.
                            {"name": "PODS_NAME", "value": f"{self._pods_name}.{namespace}.svc.cluster.local"},
                            {"name": "PODS_AT_START", "value": str(least)},
                            {"name": "LISTEN_PORT", "value": str(PORT)},
                            {"name": "STATUS_PORT", "value": str(STATUS_PORT)},
                        ],
                        "ports": [{"name": "http", "containerPort": PORT}],
                        # And no readiness probe: a gateway that left its Service when the pods are gone would turn the
                        # failures that are to be counted into refused connections.
                        "startupProbe": {
                            "httpGet": {"path": "/startupz", "port": STATUS_PORT},
                            "periodSeconds": 1,
                            "failureThreshold": START_SECONDS,
                        },
                        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }
        return {"apiVersion": "v1", "kind": "List", "items": [headless, service, pod]}
