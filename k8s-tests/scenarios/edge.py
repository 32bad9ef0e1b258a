"""The announced faults once more, with clients that come through an Ingress controller or a Gateway: Traefik."""

from __future__ import annotations

from dataclasses import replace

from addons.traefik import ROUTES, Way
from harness.measuring.traffic import EVERY_KIND
from harness.running.scenario import Scenario
from harness.running.stage import Stage
from scenarios.nodes import drain_each, spread
from scenarios.pods import delete_each
from scenarios.rollouts import both_versions_answered, image
from scenarios.scaling import SCALE_IN_SECONDS, is_scaled_in

SCALED_OUT = {"autoscaling.minReplicas": "4"}
# Traefik then sends to the Service's address, and kube-proxy chooses the pod, once for each connection. Not "true", of
# which helm --set makes a boolean, which an annotation can't be.
BY_KUBE_PROXY = {
    r"service.annotations.traefik\.ingress\.kubernetes\.io/service\.nativelb": "t",
    r"service.annotations.traefik\.io/service\.nativelb": "t",
}


def scale_in(stage: Stage) -> str:
    """The autoscaler takes replicas away that it may have no longer."""
    before = len(stage.pods())
    values = {name: value for name, value in stage.release.values.items() if name not in SCALED_OUT}
    stage.release.upgrade(stage.release.image, values)
    stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    return f"{before} replicas, and {len(stage.pods())} afterwards"


FAULTS = (
    Scenario(
        name="rolling update",
        fault="helm upgrade to another image",
        act=image,
        fewer_ready=0,
        after=both_versions_answered,
    ),
    Scenario(
        name="pods deleted",
        fault="every pod is deleted, one after the other",
        act=delete_each,
        fewer_ready=1,
    ),
    Scenario(
        name="nodes drained",
        fault="every node that has a pod is drained, one after the other",
        act=drain_each,
        prepare=spread,
        fewer_ready=1,
    ),
    Scenario(
        name="scale-in",
        fault="the autoscaler removes two of four replicas",
        act=scale_in,
        values=SCALED_OUT,
    ),
)


def through(fault: Scenario, way: Way, *, by_kube_proxy: bool = False) -> Scenario:
    """The fault with every client behind Traefik.

    by_kube_proxy: whether Traefik sends to the Service's address instead of those of the pods.
    """
    which = f"the {way} and kube-proxy" if by_kube_proxy else f"the {way}"
    return replace(
        fault,
        name=f"{fault.name}, through {which}",
        fault=f"{fault.fault}, and clients come through {which}",
        traffic=tuple(replace(each, via=way) for each in EVERY_KIND),
        values={**ROUTES, **fault.values, **(BY_KUBE_PROXY if by_kube_proxy else {})},
        # Traefik's custom resources are everybody's.
        reach="cluster",
        needs_example=True,
        standard=False,
    )


SCENARIOS = (
    *(through(fault, "ingress") for fault in FAULTS),
    *(through(fault, "HTTPRoute") for fault in FAULTS),
    # The others end pods in the same way.
    *(through(fault, "ingress", by_kube_proxy=True) for fault in FAULTS[:2]),
)
