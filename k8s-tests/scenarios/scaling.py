"""Load comes and goes: the autoscaler adds replicas and takes them away, and it is measured how fast and how well."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack

from harness.cluster import wait
from harness.measuring.records import InvalidRun
from harness.measuring.sampler import Sample
from harness.measuring.traffic import Traffic
from harness.running.scenario import Scenario
from harness.running.stage import Stage

# Beside a load, so that the machine is left something for it.
QUIET = (Traffic("new", 20), Traffic("keep-alive", 20))
WORK = "/work?cpu_ms=20"
# Demand: 25 requests/s x 20 ms = 0.5 cores, and some overhead. A replica is meant to carry 70 % of 200m = 0.14
# cores, so 4 are wanted; 3 at least prove that load, not noise, scaled it.
LOAD = Traffic("new", 25, path=WORK, request_seconds=0.05, label="load")
ENOUGH = 3
RAMP = tuple(Traffic("new", 8, path=WORK, label=f"load, step {step}") for step in (1, 2, 3))
RAMP_STEP_SECONDS = 15.0
SCALE_OUT_SECONDS, SCALE_IN_SECONDS = 120.0, 180.0
# Until the number has settled, so that what it settles at is known and scaling in starts from there.
SETTLED_SECONDS = 20.0

# The arithmetic limit. kubelet reads what a container uses every 10 to 20 seconds, at random (cAdvisor's housekeeping
# interval and its jitter of 1). The reading after the load has come is too low if too little of its time
# was under it: two replicas then use 0.25 cores each, and the autoscaler acts above 0.14 and a tenth, its tolerance. So
# it takes this share of one reading, and all of the next. --metric-resolution of metrics-server, which asks kubelet for
# them, and the sync period of the autoscaler are the test cluster's (kind-config.yaml, manifests/metrics-server.yaml).
READING_SECONDS, LOADED_SHARE = 20.0, 1.1 * 0.14 / 0.25
METRIC_RESOLUTION_SECONDS, SYNC_SECONDS = 10.0, 5.0

NOISE_SECONDS, NOISE_HALF_PERIOD_SECONDS = 72.0, 6.0
# Longer than the noise lasts, the starts of the probers included.
NOISE_VALUES = {"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "150"}
# What the autoscaler says of pods without resources.requests.cpu, which no waiting mends.
MISSING = "missing request for"
SWITCHED = {"autoscaling.mode": "fixed", "replicaCount": "3"}


def said_by_autoscaler(stage: Stage) -> str:
    """The messages of its conditions."""
    return "; ".join(str(each.message) for each in stage.release.autoscaler().status.conditions or [])


def metrics_are_there(stage: Stage) -> bool:
    """Whether the autoscaler has seen the pods' CPU utilization. Raises AssertionError where it never will."""
    assert MISSING not in said_by_autoscaler(stage), "the autoscaler can't have metrics without resources.requests.cpu"
    metrics = stage.release.autoscaler().status.current_metrics
    return bool(metrics and metrics[0].container_resource and metrics[0].container_resource.current.average_value)


def autoscaler_works(stage: Stage) -> None:
    """Wait until the autoscaler has metrics, and wants no more than the minimum."""
    try:
        wait.until("the autoscaler has metrics", lambda: metrics_are_there(stage), timeout=120)
    except AssertionError as error:
        raise AssertionError(f"{error}: {said_by_autoscaler(stage)}") from None
    wait.until("the minimum of replicas", lambda: is_scaled_in(stage), timeout=SCALE_IN_SECONDS)


def enough_replicas(stage: Stage) -> bool:
    """Whether as many replicas are ready as the load at least asks for."""
    return stage.ready_replicas() >= ENOUGH


def is_scaled_in(stage: Stage) -> bool:
    """Whether the minimum is reached again."""
    deployment = stage.release.deployment()
    return bool(deployment.spec.replicas == stage.release.minimum == deployment.status.ready_replicas)


def pod_start_seconds(stage: Stage, before: Sequence[str]) -> float:
    """The longest time from when a new pod was made until it was ready; the API gives whole seconds."""
    longest = 0.0
    for pod in stage.release.pods():
        if pod.metadata.name not in before:
            ready = [each for each in pod.status.conditions or [] if each.type == "Ready" and each.status == "True"]
            for condition in ready:
                took = condition.last_transition_time - pod.metadata.creation_timestamp
                longest = max(longest, took.total_seconds())
    return longest


def first_time(samples: Sequence[Sample], since: float, ready: int) -> float | None:
    """Seconds from `since` until that many replicas were ready."""
    return next(
        (round(sample.at - since, 1) for sample in samples if sample.at >= since and sample.ready >= ready), None
    )


def scale_ins(samples: Sequence[Sample], start: float, end: float) -> int:
    """How often fewer replicas were asked for than just before."""
    within = [sample for sample in samples if start <= sample.at < end]
    return sum(later.desired < earlier.desired for earlier, later in itertools.pairwise(within))


def step(stage: Stage) -> str:
    """A load comes all at once, and goes."""
    before, minimum = stage.pods(), stage.release.minimum
    with stage.load(LOAD) as load:
        stage.until("enough replicas", lambda: enough_replicas(stage), SCALE_OUT_SECONDS)
        stage.sleep(SETTLED_SECONDS)
        start, settled = pod_start_seconds(stage, before), stage.sampler.samples[-1].ready
    loaded = load.records[0].scheduled
    first = first_time(stage.sampler.samples, loaded, minimum + 1)
    assert first is not None
    limit = round((LOADED_SHARE + 1) * READING_SECONDS + METRIC_RESOLUTION_SECONDS + SYNC_SECONDS + start, 1)
    stage.note("first new ready pod after s", first)
    enough = first_time(stage.sampler.samples, loaded, settled)
    assert enough is not None
    stage.note("enough ready pods after s", enough)
    stage.note("enough ready pods", settled)
    stage.note("arithmetic limit s", limit)
    stage.note("of which pod start s", start)
    stage.note("most replicas", stage.sampler.most_desired())
    stage.note("overshoot", stage.sampler.most_desired() - settled)
    assert first <= limit, f"the first new pod was ready after {first} s, where {limit} s are due"
    unloaded = stage.outcome.events[-1][0]
    took = stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    stage.note("scaled in after s", took)
    stage.phases = {"before": (0.0, loaded), "under load": (loaded, unloaded), "after": (unloaded, float("inf"))}
    return f"{stage.sampler.most_desired()} replicas were asked for under load, and {minimum} again after it"


def latency_of_each_phase(stage: Stage) -> None:
    """Keep the latency of each prober before, during and after the load."""
    for prober in stage.probers:
        for phase, (start, end) in stage.phases.items():
            figures = prober.figures(start, end)
            text = f"{figures.p50_ms:.0f} / {figures.p99_ms:.0f} / {figures.p999_ms:.0f} ms"
            stage.note(f"{prober.name}, p50 / p99 / p99.9 {phase}", text)


def ramp(stage: Stage) -> str:
    """A load grows in steps, and goes."""
    with ExitStack() as loads:
        for traffic in RAMP:
            loads.enter_context(stage.load(traffic))
            stage.sleep(RAMP_STEP_SECONDS)
        stage.until("enough replicas", lambda: enough_replicas(stage), SCALE_OUT_SECONDS)
    stage.until("scaled in", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    stage.note("most replicas", stage.sampler.most_desired())
    return f"{stage.sampler.most_desired()} replicas were asked for as the load grew"


def noise(stage: Stage) -> str:
    """A load comes and goes every few seconds. Replicas that it took must not be taken away within the window."""
    window = float(NOISE_VALUES["autoscaling.behavior.scaleDown.stabilizationWindowSeconds"])
    with stage.load(LOAD):
        stage.until("enough replicas", lambda: enough_replicas(stage), SCALE_OUT_SECONDS)
    started = stage.outcome.events[-1][0]
    for number in range(int(NOISE_SECONDS / NOISE_HALF_PERIOD_SECONDS / 2)):
        stage.sleep(NOISE_HALF_PERIOD_SECONDS)
        with stage.load(Traffic("new", LOAD.rate, path=WORK, label=f"load, burst {number + 1}")):
            stage.sleep(NOISE_HALF_PERIOD_SECONDS)
    ended = stage.outcome.events[-1][0]
    if ended - started >= window:
        raise InvalidRun(f"the noise lasted {ended - started:.0f} s, longer than the window")
    times = scale_ins(stage.sampler.samples, started, ended)
    stage.note("scale-ins under noise", times)
    assert times == 0, f"replicas were taken away {times} times in {ended - started:.0f} s of noise"
    return f"the load came and went for {ended - started:.0f} s, and no replica was taken away"


def off_and_on(stage: Stage) -> str:
    """Autoscaling is switched off with three replicas, and on again."""
    values = stage.release.values
    stage.release.upgrade(stage.release.image, {**values, **SWITCHED})
    stage.until("3 ready replicas", lambda: stage.ready_replicas() == 3, 60)
    stage.release.upgrade(stage.release.image, values)
    stage.until("back to the minimum", lambda: is_scaled_in(stage), SCALE_IN_SECONDS)
    return "3 replicas while off, the minimum again once on"


SCENARIOS = (
    Scenario(
        name="load step",
        fault="a load that needs four replicas starts at once, and stops again",
        act=step,
        prepare=autoscaler_works,
        traffic=QUIET,
        fewer_ready=0,
        needs_example=True,
        after=latency_of_each_phase,
    ),
    Scenario(
        name="load ramp",
        fault=f"a load grows in {len(RAMP)} steps, and stops again",
        act=ramp,
        prepare=autoscaler_works,
        traffic=QUIET,
        fewer_ready=0,
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="noisy load",
        fault="a load comes and goes every few seconds, for as long as replicas must be kept",
        act=noise,
        prepare=autoscaler_works,
        traffic=QUIET,
        values=NOISE_VALUES,
        fewer_ready=0,
        needs_example=True,
        standard=False,
    ),
    Scenario(
        name="autoscaling off and on",
        fault="autoscaling is disabled while there are three replicas, and enabled again",
        act=off_and_on,
        traffic=QUIET,
        fewer_ready=0,
        needs_example=True,
    ),
)
