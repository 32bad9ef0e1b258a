"""Two things at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.scenario import Scenario
from harness.shell import run
from harness.stage import Stage
from harness.traffic import EVERY_KIND
from scenarios import platform, rollouts
from scenarios.scaling import LOAD, QUIET, SCALE_IN_SECONDS, SCALE_OUT_SECONDS, autoscaler_works, is_scaled_in


def together(*faults: Callable[[], str]) -> str:
    """Bring all of them about at once, and wait for all."""
    with ThreadPoolExecutor(len(faults)) as threads:
        seen = [each.result() for each in [threads.submit(fault) for fault in faults]]
    return "; ".join(seen)


def drain_one(stage: Stage) -> str:
    """kubectl drain of one worker, which can be scheduled to again afterwards."""
    node = stage.node_of(stage.victim())
    stage.event(f"{node} is drained")
    stage.nodes.drain(node)
    stage.nodes.uncordon(node)
    return f"{node} was drained"


def delete_one(stage: Stage) -> str:
    """kubectl delete pod of one pod."""
    pod = stage.victim()
    stage.event(f"{pod} is deleted")
    run(stage.kubectl("delete", "pod", pod))
    assert pod not in stage.pods()
    return f"{pod} was deleted"


def roll_out(stage: Stage) -> str:
    """helm upgrade to the other image. That no pod of before is left, other faults see to as well."""
    stage.event("rollout")
    new = stage.next_image()
    stage.release.upgrade(new, stage.release.values)
    return f"{new} was rolled out"


def drain_during_rollout(stage: Stage) -> str:
    """A node is drained while a rollout goes on."""
    return together(lambda: roll_out(stage), lambda: drain_one(stage))


def rollout_during_scale_out(stage: Stage) -> str:
    """A rollout begins as soon as the autoscaler asks for more replicas."""
    minimum = stage.release.minimum
    with stage.load(LOAD):
        stage.until("more replicas wanted", lambda: stage.sampler.most_desired() > minimum, SCALE_OUT_SECONDS)
        seen = roll_out(stage)
    stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    return f"{stage.sampler.most_desired()} replicas were asked for while {seen}"


AT_RANDOM: dict[str, Callable[[Stage], str]] = {
    "rollout": roll_out,
    "pod deleted": delete_one,
    "node drained": drain_one,
    "kube-proxy restarted": platform.kube_proxy_restarted,
    "CoreDNS restarted": platform.name_server_restarted,
}
"""What loses nothing alone, and must lose nothing together either."""


def two_at_random(stage: Stage) -> str:
    """Two of them, which ones says the seed."""
    one, other = random.Random(stage.seed).sample(sorted(AT_RANDOM), 2)
    stage.note("seed", stage.seed)
    stage.note("faults", f"{one}, {other}")
    print(f"{one} and {other}: repeat it with --seed {stage.seed}")
    return together(lambda: AT_RANDOM[one](stage), lambda: AT_RANDOM[other](stage))


SCENARIOS = (
    Scenario(
        name="drain during rollout",
        fault="a worker is drained while helm upgrade brings out another image",
        act=drain_during_rollout,
        traffic=EVERY_KIND,
        least_ready=1,
        reach="cluster",
        after=rollouts.both_versions_answered,
        standard=False,
    ),
    Scenario(
        name="two faults at random",
        fault="two faults at once, which the seed chooses",
        act=two_at_random,
        traffic=EVERY_KIND,
        least_ready=1,
        reach="cluster",
    ),
    Scenario(
        name="rollout during scale-out",
        fault="helm upgrade brings out another image while the autoscaler adds replicas",
        act=rollout_during_scale_out,
        prepare=autoscaler_works,
        traffic=QUIET,
        least_ready=2,
        needs_example=True,
        standard=False,
    ),
)
