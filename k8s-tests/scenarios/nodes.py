"""Nodes that are drained, replaced, held, switched off, cut off the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

from harness.cluster.nodes import Nodes
from harness.cluster.shell import run
from harness.measuring.traffic import EVERY_KIND, Traffic
from harness.running.budget import Loss
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios.rollouts import replaced
from scenarios.timers import NODE_LOST

# A while longer than all timers together, for what comes after them to be seen.
NODE_LOST_SECONDS = sum(timer.seconds for timer in NODE_LOST) + 30
THROUGH_GATEWAY = (
    Traffic("new", 50, via="gateway"),
    Traffic("keep-alive", 50, via="gateway"),
)


def drain_each(stage: Stage) -> str:
    """kubectl drain of each node that has a pod, one after the other."""
    before = stage.pods()
    workers = sorted(stage.release.nodes_of(before))
    for worker in workers:
        stage.event(f"{worker} is drained")
        stage.nodes.drain(worker)
        stage.release.wait_rolled_out()
        assert worker not in stage.release.nodes_of(stage.pods())
        stage.nodes.uncordon(worker)
    return f"{' and '.join(workers)} were drained; {replaced(stage, before)}"


def spread(stage: Stage) -> None:
    """Have the pods spread evenly over the workers, which an earlier drain may have left: a fault is to hit a share."""
    for _ in range(5):
        nodes = [stage.node_of(pod) for pod in stage.pods()]
        share = math.ceil(len(nodes) / len(stage.nodes.workers))
        crowded = [pod for pod in stage.pods() if nodes.count(stage.node_of(pod)) > share]
        if not crowded:
            return
        # The scheduler only prefers an even spread, so that it may choose the same node again.
        full = {node for node in nodes if nodes.count(node) >= share}
        for node in full:
            stage.nodes.cordon(node)
        run(stage.kubectl("delete", "pod", crowded[0]))
        stage.release.wait_rolled_out()
        for node in full:
            stage.nodes.uncordon(node)
        stage.release.wait_no_pod_stopping()
    raise AssertionError(f"the pods are not spread: they are on {', '.join(nodes)}")


def all_on_one_node(stage: Stage) -> None:
    """Bring every pod to one node."""
    chosen = stage.node_of(stage.victim())
    others = [worker for worker in stage.nodes.workers if worker != chosen]
    for worker in others:
        stage.nodes.cordon(worker)
    for pod in stage.pods():
        if stage.node_of(pod) != chosen:
            run(stage.kubectl("delete", "pod", pod))
            stage.release.wait_rolled_out()
    for worker in others:
        stage.nodes.uncordon(worker)
    stage.release.wait_no_pod_stopping()


def drain_the_only_one(stage: Stage) -> str:
    """The node that has every pod is drained: the disruption budget lets one go at a time."""
    before = stage.pods()
    [first] = stage.release.nodes_of(before)
    stage.event(f"{first} is drained, which has every pod")
    stage.nodes.drain(first)
    stage.release.wait_rolled_out()
    assert first not in stage.release.nodes_of(stage.pods())
    stage.nodes.uncordon(first)
    return f"{first} had every pod and was drained; {replaced(stage, before)}"


def replace(stage: Stage) -> str:
    """A node is cordoned, drained, taken out of the cluster, and comes back as another."""
    pod = stage.victim()
    worker = stage.node_of(pod)
    before = stage.nodes.uid(worker)
    stage.nodes.cordon(worker)
    stage.event(f"{worker} is cordoned")
    stage.nodes.drain(worker)
    assert pod not in stage.pods()
    stage.nodes.replace(worker)
    stage.event(f"{worker} is another node")
    stage.release.wait_rolled_out()
    assert stage.nodes.uid(worker) != before
    return f"{worker}, with {pod}, was drained and left the cluster, and a node of the same name joined it"


# Kubernetes gives the pods of a lost node 300 seconds before it replaces them. A chart may ask for less.
REPLACED_AFTER_SECONDS = 10
REPLACED_SOON = {
    f"tolerations[{number}].{name}": value
    for number, taint in enumerate(("unreachable", "not-ready"))
    for name, value in {
        "key": f"node.kubernetes.io/{taint}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": str(REPLACED_AFTER_SECONDS),
    }.items()
}


def lost(
    how: Callable[[Nodes, str], AbstractContextManager[None]], *, replaced_soon: bool = False
) -> Callable[[Stage], str]:
    """The act in which a node is lost for as long as it takes to be noticed, and comes back.

    replaced_soon: whether its pods are replaced before it comes back.
    """

    def act(stage: Stage) -> str:
        pod = stage.victim()
        node, number = stage.node_of(pod), len(stage.pods())
        with how(stage.nodes, node):
            stage.event(f"{node} is lost")
            seen = stage.until(f"{node} is not ready", lambda: not stage.nodes.is_ready(node), NODE_LOST_SECONDS)
            stage.note("noticed after s", seen)
            stage.until(f"{pod} is out of the Service", lambda: not stage.is_ready(pod), 30)
            if replaced_soon:
                full = stage.until("full strength", lambda: stage.restored(pod, number), 60)
                stage.note("full strength after s", round(seen + full, 1))
        stage.event(f"{node} is back")
        return f"{node}, with one pod of two, was NotReady after {seen:.0f} s, and is back"

    return act


SCENARIOS = (
    Scenario(
        name="nodes drained",
        fault="every node that has a pod is drained, one after the other",
        act=drain_each,
        prepare=spread,
        traffic=EVERY_KIND,
        fewer_ready=1,
        reach="cluster",
    ),
    Scenario(
        name="node with every pod drained",
        fault="the worker that runs every pod is drained",
        act=drain_the_only_one,
        prepare=all_on_one_node,
        fewer_ready=1,
        reach="cluster",
    ),
    Scenario(
        name="node replaced",
        fault="a worker is cordoned and drained, leaves the cluster, and comes back as another node",
        act=replace,
        prepare=spread,
        fewer_ready=1,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="node cut off",
        fault="the network of one of two workers is cut until the cluster has noticed",
        act=lost(Nodes.partitioned),
        prepare=spread,
        budget=Loss(NODE_LOST),
        # The pods of a node that comes back are ended there first.
        stopped_within=150,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="node paused",
        fault="every process of one of two workers is paused until the cluster has noticed",
        act=lost(Nodes.paused),
        prepare=spread,
        budget=Loss(NODE_LOST),
        # The pods of a node that comes back are ended there first.
        stopped_within=150,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="node stopped",
        fault="one of two workers is stopped, its pods are replaced after 10 s instead of 300, and it comes back",
        act=lost(Nodes.stopped, replaced_soon=True),
        prepare=spread,
        values=REPLACED_SOON,
        needs_chart=True,
        budget=Loss(NODE_LOST),
        # The pods of a node that comes back are ended there first.
        stopped_within=150,
        reach="nodes",
        standard=False,
    ),
    Scenario(
        name="node cut off, behind a gateway",
        fault="the network of one of two workers is cut until the cluster has noticed, and clients come through a "
        "gateway that retries elsewhere",
        act=lost(Nodes.partitioned),
        prepare=spread,
        needs_example=True,
        traffic=THROUGH_GATEWAY,
        # The pods of a node that comes back are ended there first.
        stopped_within=150,
        reach="nodes",
    ),
)
