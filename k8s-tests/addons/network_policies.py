"""Whether the cluster's network enforces NetworkPolicy, and what to do where it does not."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

from addons.addon import Addon
from addons.peer import PORT, Peer
from addons.source import AddonUnavailable
from harness.cluster.release import Target
from harness.cluster.shell import run

ENFORCER = Addon(name="network-policies", namespace="kube-system", workloads=("daemonset/kube-network-policies",))
# From when a policy is made until it must be in force. Network plugins take about a second.
IN_FORCE_SECONDS = 10.0
DENY_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "canary"},
    "spec": {"podSelector": {"matchLabels": {"canary": "server"}}, "policyTypes": ["Ingress"]},
}


def denied_within(client: Peer, host: str, port: int, seconds: float = IN_FORCE_SECONDS) -> bool:
    """Whether the client can't connect any more before the time is over."""
    deadline = time.monotonic() + seconds
    while client.connects(host, port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def are_enforced(target: Target, namespace: str, image: str) -> bool:
    """Whether a policy that denies everything keeps a pod of this namespace from another, which it reached before.

    image: the prober's. Raises AssertionError if the pods don't reach each other without a policy.
    """
    kubectl = target.kubectl_command("--namespace", namespace)
    with ExitStack() as stack:
        server = stack.enter_context(Peer(target, image, namespace, "canary-server", {"canary": "server"}))
        client = stack.enter_context(Peer(target, image, namespace, "canary-client"))
        assert client.connects(server.address, PORT), "two pods don't reach each other, though there is no policy"
        stack.callback(run, [*kubectl, "delete", "networkpolicy", "canary", "--ignore-not-found"])
        run([*kubectl, "create", "--filename", "-"], stdin=json.dumps(DENY_ALL))
        return denied_within(client, server.address, PORT)


def ensure(target: Target, namespace: str, image: str) -> None:
    """Have policies enforced, in a kind cluster by an add-on where its network does not.

    Raises AddonUnavailable, which says what to do, where they are not.
    """
    if are_enforced(target, namespace, image):
        return
    unenforced = f"the network of {target.context} does not enforce NetworkPolicy"
    if not target.is_kind:
        raise AddonUnavailable(
            f"{unenforced}: use a network plugin that does, such as Cilium or Calico, or leave out --kubeconfig"
        )
    try:
        ENFORCER.install(target)
    except AddonUnavailable as error:
        raise AddonUnavailable(f"{unenforced}, and {error}") from error
    if not are_enforced(target, namespace, image):
        raise AddonUnavailable(
            f"{unenforced}, not with {ENFORCER.name} either: see kubectl --namespace kube-system logs "
            "daemonset/kube-network-policies. The kernel must have CONFIG_NFT_QUEUE"
        )
