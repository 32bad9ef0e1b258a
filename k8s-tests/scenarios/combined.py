"""Two things at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.cluster.shell import run
from harness.measuring.traffic import EVERY_KIND
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios import platform, rollouts
from scenarios.nodes import spread
from scenarios.scaling import LOAD, QUIET, SCALE_IN_SECONDS, SCALE_OUT_SECONDS, autoscaler_works, is_scaled_in

Fault = Callable[[], str]
"""Injects the fault, and returns how it was confirmed."""


def together(*faults: Fault) -> str:
    """Inject all of them at once, and wait for all."""
    with ThreadPoolExecutor(len(faults)) as threads:
        seen = [each.result() for each in [threads.submit(fault) for fault in faults]]
    return "; ".join(seen)


def drain_one(stage: Stage) -> Fault:
    """kubectl drain of the worker of the first pod, which can be scheduled to again afterwards."""
    node = stage.node_of(stage.pods()[0])

    def fault() -> str:
        stage.event(f"{node} is drained")
        stage.nodes.drain(node)
        stage.nodes.uncordon(node)
        return f"{node} was drained"

    return fault


def delete_one(stage: Stage) -> Fault:
    """kubectl delete pod of the first pod, which drain_one takes too: a deletion asks no disruption budget, so that
    two pods could go at once."""
    pod = stage.pods()[0]

    def fault() -> str:
        stage.event(f"{pod} is deleted")
        run(stage.kubectl("delete", "pod", pod))
        assert pod not in stage.pods()
        return f"{pod} was deleted"

    return fault


def roll_out(stage: Stage) -> Fault:
    """helm upgrade to the other image. That no pod of before is left, other faults see to as well."""
    new = stage.next_image()

    def fault() -> str:
        stage.event("rollout")
        stage.release.upgrade(new, stage.release.values)
        return f"{new} was rolled out"

    return fault


def restart_kube_proxy(stage: Stage) -> Fault:
    """Every kube-proxy at once."""
    return lambda: platform.kube_proxy_restarted(stage)


def drain_during_rollout(stage: Stage) -> str:
    """A node is drained while a rollout goes on."""
    return together(roll_out(stage), drain_one(stage))


def rollout_during_scale_out(stage: Stage) -> str:
    """A rollout begins as soon as the autoscaler asks for more replicas."""
    minimum = stage.release.minimum
    with stage.load(LOAD):
        stage.until("more replicas wanted", lambda: stage.sampler.most_desired() > minimum, SCALE_OUT_SECONDS)
        seen = roll_out(stage)()
    stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    return f"{stage.sampler.most_desired()} replicas were asked for while {seen}"


AT_RANDOM: dict[str, Callable[[Stage], Fault]] = {
    "rollout": roll_out,
    "pod deleted": delete_one,
    "node drained": drain_one,
    "kube-proxy restarted": restart_kube_proxy,
}
"""What loses nothing alone, and must lose nothing together either. Each chooses its victim before any begins."""


def two_at_random(stage: Stage) -> str:
    """Two of them, which ones says the seed."""
    names = random.Random(stage.seed).sample(sorted(AT_RANDOM), 2)
    stage.note("seed", stage.seed)
    stage.note("faults", " and ".join(names))
    print(f"{' and '.join(names)}: repeat it with --seed {stage.seed}")
    return together(*[AT_RANDOM[name](stage) for name in names])


SCENARIOS = (
    Scenario(
        name="drain during rollout",
        fault="a worker is drained while helm upgrade rolls out another image",
        act=drain_during_rollout,
        prepare=spread,
        traffic=EVERY_KIND,
        fewer_ready=1,
        reach="cluster",
        after=rollouts.both_versions_answered,
        standard=False,
    ),
    Scenario(
        name="two faults at random",
        fault="two faults at once, chosen by the seed",
        act=two_at_random,
        prepare=spread,
        traffic=EVERY_KIND,
        fewer_ready=1,
        reach="cluster",
    ),
    Scenario(
        name="rollout during scale-out",
        fault="helm upgrade rolls out another image while the autoscaler adds replicas",
        act=rollout_during_scale_out,
        prepare=autoscaler_works,
        traffic=QUIET,
        fewer_ready=0,
        needs_example=True,
        standard=False,
    ),
)
