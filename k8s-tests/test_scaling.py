"""The autoscaler adds replicas under load and takes them away again, and no request is lost either way."""

import time

from harness import wait
from harness.images import Images
from harness.prober import StartProber
from harness.release import Release
from harness.report import Report
from harness.sampler import Sampler
from harness.scenario import under_traffic

MINIMUM = 2
# Demand: 25 requests/s x 20 ms = 0.5 cores, and some overhead. A replica is meant to carry 70 % of 200m = 0.14
# cores, so 4 are wanted; 3 at least prove that load, not noise, scaled it.
LOAD_RATE, LOAD_PATH, WANTED_AT_LEAST = 25.0, "/work?cpu_ms=20", 3
SCALE_OUT_SECONDS = 120.0
SCALE_IN_SECONDS = 180.0


def metrics_are_there(release: Release) -> bool:
    """Whether the autoscaler has seen the pods' processor use."""
    metrics = release.autoscaler().status.current_metrics
    return bool(metrics and metrics[0].container_resource and metrics[0].container_resource.current.average_value)


def test_load_scales_out_and_its_end_scales_in_without_a_failed_request(
    release: Release, probe: StartProber, report: Report
) -> None:
    wait.until("the autoscaler has metrics", lambda: metrics_are_there(release), timeout=120)
    wait.until(f"{MINIMUM} replicas", lambda: release.deployment().status.ready_replicas == MINIMUM, timeout=120)
    clients = [probe(release, kind="new", rate=20.0), probe(release, kind="keep-alive", rate=20.0)]
    with (
        Sampler(release.target.apps, release.namespace, release.fullname) as sampler,
        under_traffic(
            report.add("scale out and in", fault="a load comes that four replicas are wanted for, and goes again"),
            release,
            clients,
        ) as scenario,
    ):
        scenario.replicas = sampler.samples
        load = probe(release, kind="new", rate=LOAD_RATE, path=LOAD_PATH, name="load")
        scenario.others.append(load)
        started = time.monotonic()
        with load:
            wait.until(
                f"{WANTED_AT_LEAST} ready replicas under load",
                lambda: (release.deployment().status.ready_replicas or 0) >= WANTED_AT_LEAST,
                timeout=SCALE_OUT_SECONDS,
            )
            scenario.notes["scaled out after s"] = round(time.monotonic() - started, 1)
            # Until the number has settled, so that scaling in starts from there.
            time.sleep(20)
        stopped = time.monotonic()
        scenario.fault_confirmed = f"{sampler.most_desired()} replicas were asked for under load"
        wait.until(
            f"back to {MINIMUM} replicas",
            lambda: release.deployment().spec.replicas == MINIMUM == release.deployment().status.ready_replicas,
            timeout=SCALE_IN_SECONDS,
        )
        scenario.notes["scaled in after s"] = round(time.monotonic() - stopped, 1)
        scenario.notes["most replicas"] = sampler.most_desired()
    assert sampler.fewest_desired() >= MINIMUM
    assert sampler.fewest_ready() >= MINIMUM


def test_switching_autoscaling_off_and_on_never_drops_below_either_number(
    release: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    wait.until(f"{MINIMUM} replicas", lambda: release.deployment().spec.replicas == MINIMUM, timeout=SCALE_IN_SECONDS)
    with (
        Sampler(release.target.apps, release.namespace, release.fullname) as sampler,
        under_traffic(
            report.add("autoscaling off and on", fault="autoscaling is switched off with three replicas, and on again"),
            release,
            [probe(release)],
        ) as scenario,
    ):
        scenario.replicas = sampler.samples
        release.upgrade(images_.first, {"autoscaling.enabled": "false", "replicaCount": "3"})
        wait.until("3 ready replicas", lambda: release.deployment().status.ready_replicas == 3, timeout=60)
        release.upgrade(images_.first)
        wait.until(
            f"back to {MINIMUM} replicas",
            lambda: release.deployment().spec.replicas == MINIMUM == release.deployment().status.ready_replicas,
            timeout=SCALE_IN_SECONDS,
        )
        scenario.fault_confirmed = "3 replicas while off, 2 again once on"
    assert sampler.fewest_desired() >= MINIMUM
    assert sampler.fewest_ready() >= MINIMUM
