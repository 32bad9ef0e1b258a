"""The announced faults once more, with clients that come through an Ingress controller or a Gateway: Traefik."""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import Scenario
from harness.stage import Stage
from harness.traffic import Kind, Traffic, Via
from scenarios.nodes import drain_each, spread
from scenarios.pods import delete_each
from scenarios.rollouts import both_versions_answered, image
from scenarios.scaling import SCALE_IN_SECONDS, is_scaled_in

WAYS: tuple[Via, ...] = ("ingress", "HTTPRoute")
# Half of the rate of the other scenarios each, so that both ways together put as much on the machine.
RATES: dict[Kind, float] = {"new": 25, "keep-alive": 25, "slow": 2, "upload": 10}
THROUGH_THE_EDGE = tuple(
    Traffic(kind, rate, via=way, request_seconds=1.0 if kind == "slow" else 0.05)
    for way in WAYS
    for kind, rate in RATES.items()
)
SCALED_OUT = {"autoscaling.minReplicas": "4"}
# Traefik then sends to the Service's address, and kube-proxy chooses the pod. In capitals, because helm --set makes a
# boolean of "true", which an annotation can't be.
BY_KUBE_PROXY = {
    r"service.annotations.traefik\.ingress\.kubernetes\.io/service\.nativelb": "TRUE",
    r"service.annotations.traefik\.io/service\.nativelb": "TRUE",
}


def scale_in(stage: Stage) -> str:
    """The autoscaler takes replicas away that it may have no longer."""
    before = len(stage.pods())
    values = {name: value for name, value in stage.release.values.items() if name not in SCALED_OUT}
    stage.release.upgrade(stage.release.image, values)
    stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    return f"{before} replicas, and {len(stage.pods())} afterwards"


TO_PODS = (
    Scenario(
        name="rolling update, behind Traefik",
        fault="helm upgrade to another image, and clients come through an Ingress and an HTTPRoute",
        act=image,
        traffic=THROUGH_THE_EDGE,
        fewer_ready=0,
        reach="cluster",
        needs_example=True,
        after=both_versions_answered,
        standard=False,
    ),
    Scenario(
        name="pods deleted, behind Traefik",
        fault="every pod is deleted, one after the other, and clients come through an Ingress and an HTTPRoute",
        act=delete_each,
        traffic=THROUGH_THE_EDGE,
        fewer_ready=1,
        reach="cluster",
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="nodes drained, behind Traefik",
        fault="every node that has a pod is drained, and clients come through an Ingress and an HTTPRoute",
        act=drain_each,
        prepare=spread,
        traffic=THROUGH_THE_EDGE,
        fewer_ready=1,
        reach="cluster",
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="scale-in, behind Traefik",
        fault="half of four replicas are taken away, and clients come through an Ingress and an HTTPRoute",
        act=scale_in,
        values=SCALED_OUT,
        traffic=THROUGH_THE_EDGE,
        reach="cluster",
        needs_example=True,
        standard=False,
    ),
)
TO_SERVICE = tuple(
    replace(
        each,
        name=f"{each.name} and kube-proxy",
        fault=f"{each.fault}; Traefik sends to the Service's address",
        values={**each.values, **BY_KUBE_PROXY},
    )
    for each in TO_PODS
)
SCENARIOS = (*TO_PODS, *TO_SERVICE)
