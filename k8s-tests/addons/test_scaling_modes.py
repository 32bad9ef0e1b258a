"""autoscaling.mode changes on a live release, and the number of pods does not.

Three pods run where the minimum is two. Their memory asks for three, and would hold two as well as three: a pod that is
lost on the way from one owner to the next would not come back.
"""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from addons import keda as keda_addon
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import Release
from harness.cluster.shell import run
from harness.measuring.measurement import under_traffic
from harness.measuring.prober import StartProber
from harness.measuring.sampler import Sampler
from harness.report.report import Report

pytestmark = pytest.mark.complete

PODS = 3
MODES = ("hpa", "keda", "hpa", "fixed", "external", "hpa")
# An autoscaler wants ceil(3 x share) = 3 of them with a share of 0.67 to 1.1, and then ceil(2 x share) = 2 of two: the
# share is in the middle, so that memory may grow by a third.
SHARE = 0.8
# Of the metrics server, for pods that have just started.
METRICS_SECONDS = 120
SETTLED_SECONDS = 90
# Longer than the stabilization window of 15 s in values.yaml, and a reading of the metrics (10 s) and a look of the
# autoscaler (5 s) after it.
HELD_SECONDS = 45


def autoscalers(release: Release) -> list[Any]:
    """The HorizontalPodAutoscalers that scale the Deployment, whoever made them."""
    listed = release.target.autoscaling.list_namespaced_horizontal_pod_autoscaler(release.namespace).items
    return [each for each in listed if each.spec.scale_target_ref.name == release.fullname]


def owner(autoscaler: Any) -> str:
    """What made the autoscaler: the chart, or an object of this kind."""
    made_by = autoscaler.metadata.owner_references or []
    return str(made_by[0].kind) if made_by else "chart"


def works(autoscaler: Any) -> bool:
    """Whether the autoscaler has metrics and has decided something."""
    conditions = {each.type: each.status for each in autoscaler.status.conditions or []}
    return conditions.get("ScalingActive") == "True" and autoscaler.status.desired_replicas is not None


def is_settled(release: Release, mode: str) -> bool:
    """Whether the owner of this mode is the only one, and at work."""
    found = autoscalers(release)
    if mode == "external":
        return not found
    made_by = "ScaledObject" if mode == "keda" else "chart"
    return [owner(each) for each in found] == [made_by] and works(found[0])


def described(release: Release) -> str:
    """Each autoscaler of the Deployment, and what it says."""
    return "; ".join(
        f"{each.metadata.name} of {owner(each)}: {[said.message for said in each.status.conditions or []]}"
        for each in autoscalers(release)
    )


def memory_share_of_request(release: Release) -> float:
    """The memory that the pods use, as a share of what they request; 0 before there are metrics of all of them."""
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{release.namespace}/pods"
    found = json.loads(run(release.target.kubectl_command("get", "--raw", path)).stdout)["items"]
    used = {each["metadata"]["name"]: each["containers"][0]["usage"]["memory"] for each in found}
    pods = [pod.metadata.name for pod in release.pods()]
    if not set(pods) <= set(used):
        return 0.0
    requested = release.deployment().spec.template.spec.containers[0].resources.requests["memory"]
    assert requested.endswith("Mi"), requested
    kibibytes = [int(used[name].removesuffix("Ki")) for name in pods]
    return sum(kibibytes) / len(kibibytes) / 1024 / int(requested.removesuffix("Mi"))


@dataclass
class Live:
    """A release with three pods, in any mode."""

    release: Release
    image: str
    target: int
    """The memory utilization, in percent of the request, that the autoscaler aims at."""

    def switch(self, mode: str) -> None:
        """Upgrade the release to the mode."""
        values = {
            "autoscaling.mode": mode,
            "autoscaling.targetMemoryUtilizationPercentage": str(self.target),
            "replicaCount": str(PODS),
        }
        self.release.ensure(self.image, values)

    def wait_settled(self, mode: str) -> None:
        """Wait for the owner of the mode."""
        try:
            wait.until(
                f"the owner of mode {mode} is alone and at work",
                lambda: is_settled(self.release, mode),
                timeout=SETTLED_SECONDS,
            )
        except AssertionError as error:
            raise AssertionError(f"{error}: {described(self.release)}") from None


@pytest.fixture(scope="module")
def live(release: Release, images_: Images, keda: None) -> Iterator[Live]:  # noqa: ARG001
    """Three pods in mode hpa, which their memory holds."""
    share = wait.until("memory metrics", lambda: memory_share_of_request(release), timeout=METRICS_SECONDS, interval=5)
    live = Live(release, images_.first, round(share / SHARE * 100))
    live.switch("hpa")
    live.wait_settled("hpa")
    scale = ("--namespace", release.namespace, "scale", f"deployment/{release.fullname}", f"--replicas={PODS}")
    run(release.target.kubectl_command(*scale))
    release.wait_rolled_out()
    yield live
    # What KEDA has made is removed while it is there to do so.
    release.uninstall()


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.pairwise(MODES)), ids=[f"{a}-to-{b}" for a, b in itertools.pairwise(MODES)]
)
def test_a_change_of_the_mode_does_not_change_the_number_of_pods(
    live: Live, probe: StartProber, report: Report, before: str, after: str
) -> None:
    release = live.release
    live.switch(before)
    live.wait_settled(before)
    pods = {pod.metadata.name for pod in release.pods()}
    assert len(pods) == PODS
    sending = [probe(release, kind="new"), probe(release, kind="keep-alive")]
    outcome = report.add(
        f"autoscaling mode {before} to {after}", fault=f"helm upgrade from autoscaling.mode {before} to {after}"
    )
    sampler = Sampler(release.target.apps, release.namespace, release.fullname)
    outcome.replicas = sampler.samples
    with sampler, under_traffic(outcome, release, sending) as scenario:
        live.switch(after)
        live.wait_settled(after)
        held_until = time.monotonic() + HELD_SECONDS
        while time.monotonic() < held_until:
            assert is_settled(release, after), described(release)
            time.sleep(1)
        scenario.fault_confirmed = f"mode {after} has owned the Deployment alone for {HELD_SECONDS} s"
    sampler.require_complete()
    assert (sampler.fewest_desired(), sampler.most_desired()) == (PODS, PODS)
    assert {pod.metadata.name for pod in release.pods()} == pods


def test_keda_mode_is_ready(live: Live) -> None:
    """KEDA has taken what the chart wrote, every trigger of it."""
    live.switch("keda")
    keda_addon.wait_ready(live.release.target, live.release.namespace, live.release.fullname)
    found = keda_addon.conditions(live.release.target, live.release.namespace, live.release.fullname)
    assert found.get("Fallback") != "True", found
