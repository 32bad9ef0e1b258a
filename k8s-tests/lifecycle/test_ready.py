"""How soon a pod takes part, once a node has been chosen for it that has the image."""

import statistics
import time
from typing import Any

from harness.cluster import wait
from harness.cluster.release import Release

READY_SECONDS = 3.5
"""2 s can't be kept: a sandbox and a container take about a second, the kubelet probes every second, and its first
probe comes before any Python program listens. On three nodes that share two cores it was 2.27 to 2.74 s."""
PODS = 3


def has(pod: Any, condition: str) -> bool:
    """Whether the condition of the pod is true."""
    return any(each.type == condition and each.status == "True" for each in pod.status.conditions or [])


def seconds_from_scheduled_to_ready(release: Release) -> float:
    """Delete a pod, and measure the one that comes in its place. The conditions' own times are in whole seconds."""
    before = {pod.metadata.name for pod in release.pods()}

    def arrived(condition: str) -> bool:
        return any(has(pod, condition) for pod in release.pods() if pod.metadata.name not in before)

    release.target.core.delete_namespaced_pod(sorted(before)[0], release.namespace)
    wait.until("the new pod is scheduled", lambda: arrived("PodScheduled"), timeout=30, interval=0.05)
    scheduled = time.monotonic()
    wait.until("the new pod is ready", lambda: arrived("Ready"), timeout=60, interval=0.05)
    ready = time.monotonic()
    release.wait_rolled_out()
    release.wait_no_pod_stopping()
    return ready - scheduled


def test_a_pod_is_ready_soon_after_it_is_scheduled(release: Release) -> None:
    """The median of three, one after the other: on two cores, other pods end and are counted meanwhile."""
    seconds = [seconds_from_scheduled_to_ready(release) for _ in range(PODS)]
    print(*(f"{each:.2f} s" for each in seconds))
    assert statistics.median(seconds) <= READY_SECONDS
